//! What is answered: the files of the folder.

use std::io::ErrorKind;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use tower_http::services::ServeDir;
use tower_http::services::fs::DefaultServeDirFallback;
use unix_transport::is_transient;

use super::folder::Folder;
use super::ledger::{self, Ledger};
use crate::failure::warn;

/// Answers with the files of `folder`, and counts that in `ledger`.
pub(super) fn router(folder: Folder, ledger: Arc<Ledger>) -> Router {
    let files = ServeDir::with_backend("", folder).ignore_multi_range_requests(true);
    Router::new()
        .fallback(move |request| answer(files, request))
        .layer(from_fn_with_state(ledger, ledger::count))
}

async fn answer(
    mut files: ServeDir<DefaultServeDirFallback, Folder>,
    request: Request,
) -> Response {
    let path = request.uri().path().escape_debug().to_string();
    let error = match files.try_call(request).await {
        Ok(response) => return response.map(Body::new),
        Err(error) => error,
    };
    let status = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied => {
            StatusCode::NOT_FOUND
        }
        // The connections have taken all descriptors.
        _ if is_transient(&error) => StatusCode::SERVICE_UNAVAILABLE,
        _ => {
            warn(format_args!("serve {path}: {error}"));
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    status.into_response()
}
