//! The runner itself: it must see what goes wrong in a case, whatever that is.

use std::fs::File;
use std::os::fd::IntoRawFd;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use backend_epoll::Epoll;
use conformance::{Capabilities, Case, Fixture, Limits, Needs, Outcome, Suite, Verdict};
use libtest_mimic::{Arguments, Failed, Trial};

/// Set in the process that shall run the suite as its users do.
const AS_SUITE: &str = "RUNNER_AS_SUITE";

struct OnEpoll;

impl Fixture for OnEpoll {
    const NAME: &'static str = "misbehaving";
    type Backend = Epoll;

    fn capabilities() -> Capabilities {
        Capabilities::all().without(Capabilities::NESTED)
    }
}

/// Cases that end in every way in which a case can end.
fn misbehaving() -> Suite {
    let case = |id, name, run| Case::<OnEpoll> { id, name, needs: Needs::NOTHING, run };
    Suite::new().cases(
        OnEpoll::NAME,
        vec![
            case(1, "passes", |_| Outcome::Pass),
            case(2, "skips", |_| Outcome::skip("apt-get install nothing")),
            case(3, "panics", |_| panic!("the rule is broken")),
            case(4, "leaks_a_descriptor", |_| {
                _ = File::open("/dev/null").expect("every system has it").into_raw_fd();
                Outcome::Pass
            }),
            case(5, "leaks_a_thread", |_| {
                thread::spawn(|| loop_for_ever());
                Outcome::Pass
            }),
            case(6, "hangs", |_| loop_for_ever()),
            case(7, "is_killed", |_| std::process::abort()),
            case(8, "leaves_files", |cx| {
                File::create(cx.path("file")).expect("the directory is the case's own");
                assert_eq!(cx.files(), ["file"], "the directory was empty");
                Outcome::Pass
            }),
            Case { needs: Needs::NESTED, ..case(9, "does_not_apply", |_| Outcome::Pass) },
        ],
    )
}

fn loop_for_ever() -> ! {
    loop {
        thread::park();
    }
}

fn main() -> ExitCode {
    let suite = misbehaving();
    if let Some(code) = suite.run_child() {
        return code;
    }
    if std::env::var_os(AS_SUITE).is_some() {
        return suite.main();
    }
    let trials = vec![
        Trial::test("every_way_to_fail_is_seen", every_way_to_fail_is_seen),
        Trial::test("skips_fail_when_strict", skips_fail_when_strict),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn every_way_to_fail_is_seen() -> Result<(), Failed> {
    let limits = Limits { watchdog: Duration::from_secs(3), strict: false, threads: 4 };
    let mut report = misbehaving().execute(limits);
    report.sort_by_key(|case| case.id);
    let said = |id: u16, text: &str| {
        let case = report.iter().find(|case| case.id == id).expect("every case has a verdict");
        match &case.verdict {
            Verdict::Failed(output) => assert!(output.contains(text), "{}: {output}", case.name),
            other => panic!("{} must fail, not {other:?}", case.name),
        }
    };
    assert_eq!(report.len(), 8, "the case that does not apply is not run");
    assert_eq!(report[0].name, "misbehaving::001_passes");
    assert_eq!(report[0].verdict, Verdict::Passed);
    assert_eq!(report[1].verdict, Verdict::Skipped("apt-get install nothing".to_owned()));
    said(3, "the rule is broken");
    said(4, "/dev/null");
    said(5, "1 threads became 2");
    said(6, "hung: killed after 3 s");
    said(7, "killed by signal 6");
    assert_eq!(report[7].verdict, Verdict::Passed);
    Ok(())
}

fn skips_fail_when_strict() -> Result<(), Failed> {
    for (strict, expected) in [("0", true), ("1", false)] {
        let output = Command::new(std::env::current_exe()?)
            .arg("skips")
            .env(AS_SUITE, "1")
            .env("CONFORMANCE_STRICT", strict)
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.success(), expected, "strict {strict}: {text}");
        assert!(text.contains("SKIP misbehaving::002_skips: apt-get install nothing"), "{text}");
        let summary = "misbehaving: 0 passed, 0 failed, 1 skipped, 1 not applicable";
        assert!(text.contains(summary), "{text}");
    }
    Ok(())
}
