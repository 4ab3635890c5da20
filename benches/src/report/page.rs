//! A run as one page that needs nothing else: no scripts, no other files.

use command::failure::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Report;
use super::pictures::{self, Picture};
use super::rows;
use super::text::LEAST_MARGIN;
use crate::cells::Cell;
use crate::families::Family;
use crate::results::CellResult;
use crate::targets::{self, Judgement, LIMITS, LIMITS_EXPLAINED, Summary};

const STYLE: &str = include_str!("style.css");

impl Report {
    /// The page.
    ///
    /// # Errors
    /// Those of drawing.
    pub(super) fn page(&self) -> Result<String> {
        let pictures = pictures::all(self)?;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { "unix-transport, measured" }
                    style { (PreEscaped(STYLE)) (colours()) }
                }
                body {
                    (self.opening())
                    (self.judged())
                    (method(&self.run.options.baseline))
                    (legend())
                    @for picture in &pictures { (figure(picture)) }
                    section {
                        h2 { "All figures" }
                        p { "Medians over the slices, with quartiles in brackets. Ratios are to "
                            (self.run.options.baseline) " and compare only slices of the same "
                            "rotation; all other figures are absolute, and those of servers of "
                            "different heats are minutes apart." }
                        @for (cell, result) in &self.cells { (table_of(cell, result)) }
                    }
                    section { (self.versions()) }
                }
            }
        };
        Ok(page.into_string())
    }

    fn opening(&self) -> Markup {
        html! {
            header {
                p.kicker { "unix-transport" }
                h1 { "Echo over Unix sockets, measured" }
                p.lead {
                    "What a message costs on each backend, on bare system calls and on other "
                    "runtimes: " (self.run.environment.servers.len()) " servers under "
                    (self.cells.len()) " loads, in one run."
                }
                dl.facts {
                    @for (what, fact) in self.run.facts() {
                        div.long[fact.len() > 90] { dt { (what) } dd { (fact) } }
                    }
                }
            }
        }
    }

    fn judged(&self) -> Markup {
        let summaries = targets::summaries(&self.judgements);
        let judged = summaries.iter().filter(|summary| summary.judged > 0);
        let (all, met) = judged.fold((0, 0), |(all, met), summary| {
            (all + 1, met + usize::from(summary.judged == summary.met))
        });
        html! {
            section {
                h2 { "Targets" }
                p { (met) " of " (all) " targets are met everywhere. A ratio of messages per CPU "
                    "second misses its target if it is below it by more than half the spread of "
                    "its cell's control. The last columns show where there was least room, or most was missing." }
                div.wide {
                    table {
                        thead { tr {
                            th { "" } th { "target" } th.figure { "met" } th.figure { "wanted" }
                            th.figure { (LEAST_MARGIN) } th { "where" }
                        } }
                        tbody { @for summary in &summaries { (line(summary)) } }
                    }
                }
                details {
                    summary { "All " (self.judgements.len()) " judgements" }
                    p { "The last columns are limits. " (LIMITS_EXPLAINED) }
                    div.wide {
                        table {
                            thead { tr {
                                th { "target" } th { "cell" } th { "compared" } th.figure { "wanted" }
                                th.figure { "tolerance" } th.figure { "reached (quartiles)" } th { "" }
                                @for limit in LIMITS { th.figure { (limit) } }
                            } }
                            tbody { @for judgement in &self.judgements { tr {
                                td { (judgement.target) } td { code { (judgement.cell) } }
                                td { (judgement.sides()) } td.figure { (judgement.demand()) }
                                td.figure { (format!("{:.3}", judgement.tolerance)) }
                                td.figure { (judgement.outcome()) } td { (mark(judgement.met)) }
                                @for limit in judgement.limits.in_words() { td.figure { (limit) } }
                            } } }
                        }
                    }
                }
            }
        }
    }

    fn versions(&self) -> Markup {
        html! {
            h2 { "The servers" }
            div.wide { table {
                thead { tr { th { "name" } th { "what it is" } th { "version" } } }
                tbody { @for server in &self.run.environment.servers { tr {
                    td { (name(&server.name)) } td { (server.about) } td { (server.version) }
                } } }
            } }
        }
    }
}

fn line(summary: &Summary<'_>) -> Markup {
    let closest = |of: fn(&Judgement) -> String| summary.closest.map_or_else(String::new, of);
    html! {
        tr {
            td { @if summary.judged > 0 { (mark(summary.met == summary.judged)) } }
            td { (summary.target) }
            td.figure { (summary.verdict()) }
            td.figure { (closest(Judgement::demand)) }
            td.figure { (closest(Judgement::outcome)) }
            td { @if let Some(closest) = summary.closest {
                (closest.sides()) ", " code { (closest.cell) }
            } }
        }
    }
}

fn mark(met: bool) -> Markup {
    html! { @if met { span.met { "✓ met" } } @else { span.missed { "✗ missed" } } }
}

fn method(baseline: &str) -> Markup {
    html! {
        section {
            h2 { "How it was measured" }
            ol {
                li { "Every server is a process of its own on one core; the load comes from another "
                     "core. Too many at once would take the caches from each other, so many "
                     "are measured in groups, called heats, one after the other. " (baseline) " and the "
                     "servers that many are compared with take part in every heat. Each heat is "
                     "started again every few seconds, twice at least, because a process can be lucky with "
                     "where it lies in memory. "
                     "With 10,000 connections, which take minutes to open, there is one heat of all, "
                     "once." }
                li { "The servers of a heat are loaded in turn, a slice of some tens of milliseconds "
                     "each, beginning with another one every rotation. A ratio is taken within one "
                     "rotation, and only then the median: when the machine becomes faster or slower, "
                     "both sides do. Absolute figures of servers of different heats are minutes "
                     "apart, and differ by what the machine did meanwhile." }
                li { b { (baseline) "-again" } " is a second copy of " b { (baseline) } ". Its ratio "
                     "to the first would always be 1 without noise: the control." }
                li { "Every byte that comes back is compared with what was sent." }
                li { "CPU time is the server's, of all its threads, in user space and in the kernel. "
                     "System calls are counted in a pass of their own, which is not timed." }
            }
        }
    }
}

fn legend() -> Markup {
    html! {
        ul.legend { @for family in Family::ALL {
            li { span class=(class(family)) { "●" } " " (family.title()) }
        } }
    }
}

fn figure(picture: &Picture) -> Markup {
    html! {
        section {
            h2 { (picture.title) }
            p { (picture.caption) }
            div.wide.picture role="img" aria-label=(picture.title) { (PreEscaped(&picture.svg)) }
        }
    }
}

fn table_of(cell: &Cell, result: &CellResult) -> Markup {
    let (header, lines) = rows::table(&rows::of_cell(result));
    html! {
        details {
            summary { code { (cell.name) } " " (cell.to_string()) }
            @if !lines.is_empty() {
                div.wide { table {
                    thead { tr { @for (column, heading) in header.iter().enumerate() {
                        th.figure[column > 0] { (heading) }
                    } } }
                    tbody { @for line in &lines { tr { @for (column, text) in line.iter().enumerate() {
                        @if column == 0 { td { (name(text)) } } @else { td.figure { (text) } }
                    } } } }
                } }
            }
            @for remark in rows::absent(result) { p.remark { (remark) "." } }
            @for remark in rows::uncounted(result) { p.remark { (remark) "." } }
        }
    }
}

/// A server's name in its family's colour.
fn name(name: &str) -> Markup {
    html! { span class=(class(Family::of(name))) { (name) } }
}

fn class(family: Family) -> String {
    format!("family-{}", family as usize)
}

/// The families' colours, as rules of the style sheet.
fn colours() -> String {
    let rule = |family: Family| {
        let (red, green, blue) = family.colour();
        format!(".{}{{color:rgb({red},{green},{blue})}}\n", class(family))
    };
    Family::ALL.into_iter().map(rule).collect()
}
