//! The people of a tenant.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod update;
mod view;

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use connectus_core::{
    Error, Result, UserId,
    access::Permission::{UsersRead, UsersWrite},
};
use connectus_store::users::User;

pub use view::{RoleName, UserView};

use crate::http::{Access::Needs, Operation, etag, operation::operations};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "users.list" = list, Needs(UsersRead), aliases ["/users"];
        "users.create" = create, Needs(UsersWrite), aliases ["/users"];
        "users.get" = get, Needs(UsersRead), aliases ["/users/{id}"];
        "users.update" = update, Needs(UsersWrite), aliases ["/users/{id}"];
        "users.delete" = delete, Needs(UsersWrite), aliases ["/users/{id}"];
    }
}

fn id(text: &str) -> Result<UserId> {
    UserId::parse(text).ok_or_else(|| Error::not_found("user"))
}

/// A person as an answer, with the `ETag`.
fn answer(user: User) -> Response {
    let tag = [(header::ETAG, etag::of(user.version))];
    (tag, Json(UserView::from(user))).into_response()
}
