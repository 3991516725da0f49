//! The one error type of the product. A code says what went wrong, a detail says what to do.

use serde::Serialize;
use serde_json::{Map, Value};

/// The result of anything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $title:literal;)*) => {
        /// A stable, documented error code. Each has a help page in `docs/errors/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable text clients match on.
            pub const fn name(self) -> &'static str { match self { $(Self::$name => $text,)* } }

            /// The HTTP status it travels with.
            pub const fn status(self) -> u16 { match self { $(Self::$name => $status,)* } }

            /// A short summary, the same for every occurrence.
            pub const fn title(self) -> &'static str { match self { $(Self::$name => $title,)* } }
        }
    };
}

codes! {
    /// The request cannot be read: syntax, encoding, a missing part.
    BadRequest = "bad_request", 400, "The request cannot be read";
    /// No valid credential came with the request.
    Unauthenticated = "unauthenticated", 401, "Sign in first";
    /// A webhook's signature does not match.
    BadSignature = "bad_signature", 401, "The signature does not match";
    /// The credential does not allow this operation.
    Forbidden = "forbidden", 403, "Not allowed";
    /// A plan's quota is used up.
    QuotaExceeded = "quota_exceeded", 403, "Quota used up";
    /// The console's anti-forgery token is missing or wrong.
    CsrfFailed = "csrf_failed", 403, "Anti-forgery check failed";
    /// No such object, or not one of this tenant's.
    NotFound = "not_found", 404, "Not found";
    /// The path exists, but not with this method.
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed";
    /// The object exists already or is in a state that forbids the change.
    Conflict = "conflict", 409, "Conflict";
    /// A request with this idempotency key is being worked on.
    InFlight = "idempotency_in_flight", 409, "Still working on it";
    /// `If-Match` names a version that is no longer the newest.
    PreconditionFailed = "precondition_failed", 412, "The object changed meanwhile";
    /// The body is larger than the limit.
    TooLarge = "too_large", 413, "Too large";
    /// The body is of a type this operation does not take.
    UnsupportedMediaType = "unsupported_media_type", 415, "Content type not supported";
    /// The request is readable, but a value in it is not acceptable.
    Invalid = "invalid", 422, "A value is not acceptable";
    /// The idempotency key was used with another body.
    IdempotencyMismatch = "idempotency_mismatch", 422, "Idempotency key used with another request";
    /// The run that was waited for has failed, or someone stopped it.
    RunFailed = "run_failed", 424, "The run failed";
    /// Too many requests.
    RateLimited = "rate_limited", 429, "Too many requests";
    /// Something went wrong inside.
    Internal = "internal", 500, "Something went wrong on our side";
    /// A provider answered with an error that a retry will not cure.
    ProviderRefused = "provider_refused", 502, "The provider refused the request";
    /// A provider cannot be reached or answered nonsense.
    ProviderUnavailable = "provider_unavailable", 502, "The provider is not available";
    /// The integration must be connected again.
    ReauthRequired = "reauth_required", 409, "Connect the integration again";
    /// The outbound address is not allowed.
    EgressDenied = "egress_denied", 422, "Address not allowed";
    /// A store this needs is down.
    Unavailable = "unavailable", 503, "Temporarily unavailable";
    /// The operation took longer than its limit.
    Timeout = "timeout", 504, "Took too long";
    /// The disk is full.
    StorageFull = "storage_full", 507, "No space left";
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where, as a JSON pointer or parameter name.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// An error: what went wrong, said so that the reader knows what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {detail}", code.name())]
pub struct Error {
    /// The stable code.
    pub code: Code,
    /// A sentence for people. Never holds secrets, SQL or paths of this machine.
    pub detail: String,
    /// Which fields are at fault, for `invalid`.
    pub fields: Vec<FieldError>,
    /// Seconds after which a retry makes sense.
    pub retry_after: Option<u64>,
    /// Further members of the problem document (`limit`, `used`, ...).
    pub extra: Map<String, Value>,
    /// The cause, for logs only.
    pub cause: Option<String>,
}

impl Error {
    /// An error with a code and a sentence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            fields: Vec::new(),
            retry_after: None,
            extra: Map::new(),
            cause: None,
        }
    }

    /// Something went wrong inside; the cause goes to the log, not to the caller.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let mut error = Self::new(
            Code::Internal,
            "An unexpected error. It was logged under the request id; nothing was changed.",
        );
        error.cause = Some(cause.to_string());
        error
    }

    /// No such object: the same words whether it never existed or belongs to someone else.
    pub fn not_found(kind: &str) -> Self {
        Self::new(Code::NotFound, format!("No such {kind}."))
    }

    /// One field is not acceptable.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        let mut error = Self::new(Code::Invalid, format!("{field}: {message}"));
        error.fields.push(FieldError { field, message });
        error
    }

    /// Several fields are not acceptable. `fields` must not be empty.
    pub fn invalid_fields(fields: Vec<FieldError>) -> Self {
        let detail = match fields.as_slice() {
            [only] => format!("{}: {}", only.field, only.message),
            many => format!("{} values are not acceptable; see `errors`.", many.len()),
        };
        Self { fields, ..Self::new(Code::Invalid, detail) }
    }

    /// Adds the time after which to retry, in seconds.
    #[must_use]
    pub fn retry_after(mut self, secs: u64) -> Self {
        self.retry_after = Some(secs);
        self
    }

    /// Adds a member to the problem document.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// Adds the cause for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Whether trying again later can help.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.code,
            Code::RateLimited
                | Code::ProviderUnavailable
                | Code::Unavailable
                | Code::Timeout
                | Code::StorageFull
                | Code::InFlight
        )
    }
}
