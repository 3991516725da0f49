//! Bearer keys for scripts.

pub mod create;
pub mod list;
pub mod revoke;
mod view;

use connectus_core::access::Permission::{UsersRead, UsersWrite};

pub use view::ApiKeyView;

use crate::http::{Access::Needs, Operation, operation::operations};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "api_keys.list" = list, Needs(UsersRead), aliases ["/api-keys"];
        "api_keys.create" = create, Needs(UsersWrite), aliases ["/api-keys"];
        "api_keys.revoke" = revoke, Needs(UsersWrite), aliases ["/api-keys/{id}"];
    }
}
