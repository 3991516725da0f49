//! The SMTP server, spoken to step by step, so that it is known of every failure whether the letter
//! may have gone out all the same.

use std::time::Duration;

use connectus_core::{Code, Error, Result};
use lettre::transport::smtp::{
    Error as SmtpError,
    authentication::{Credentials, DEFAULT_MECHANISMS},
    client::{AsyncSmtpConnection, TlsParameters},
    commands::{Data, Mail, Rcpt},
    extension::{ClientId, Extension, MailBodyParameter, MailParameter},
};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::letter::Written;
use crate::{
    http::NOT_SENT,
    plan::{OUTCOME, OUTCOME_UNKNOWN},
};

/// Longest wait until a letter is about to be handed over.
const PREPARE_WITHIN: Duration = Duration::from_secs(20);
/// Longest wait for the server to take it.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protection {
    /// From its first byte.
    Tls,
    /// Before anything is said that matters.
    StartTls,
    /// Not at all, as the operator says.
    None,
}

/// Where letters are handed over.
pub(super) struct Server {
    host: String,
    port: u16,
    protection: Protection,
    login: Option<(String, SecretString)>,
}

impl Server {
    /// Reads `smtps://user:password@host:465` or `smtp://user:password@host:587`, whose connection
    /// must become protected before anything else, unless `?tls=none` says that it need not.
    ///
    /// # Errors
    /// `invalid`, without the address: it holds a password.
    pub fn read(url: &SecretString) -> Result<Self> {
        let refused = || {
            let message = "must be smtps://user:password@host or smtp://user:password@host, with \
                           ?tls=none for a server without TLS; percent-encode odd characters.";
            Error::invalid("smtp.url", message)
        };
        let url = Url::parse(url.expose_secret()).map_err(|_| refused())?;
        let query: Vec<_> = url.query_pairs().collect();
        let plain = match query.as_slice() {
            [] => false,
            [(name, value)] if name == "tls" && value == "none" => true,
            _ => return Err(refused()),
        };
        let (protection, port) = match (url.scheme(), plain) {
            ("smtps", false) => (Protection::Tls, 465),
            ("smtp", false) => (Protection::StartTls, 587),
            ("smtp", true) => (Protection::None, 25),
            _ => return Err(refused()),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(refused)?;
        let decoded = |text: &str| {
            let text = percent_encoding::percent_decode_str(text);
            text.decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| refused())
        };
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => {
                Some((decoded(user)?, SecretString::from(decoded(password)?)))
            }
            _ => return Err(refused()),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(refused());
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: url.port().unwrap_or(port), protection, login })
    }

    /// Hands a letter over.
    ///
    /// # Errors
    /// Marked `not_sent` or `outcome: unknown`, or what the server refuses.
    pub async fn hand_over(&self, letter: &Written) -> Result<()> {
        let prepared = tokio::time::timeout(PREPARE_WITHIN, self.prepare(letter)).await;
        let mut connection = match prepared {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                let detail = format!(
                    "The mail server did not get as far as taking a letter within {} seconds.",
                    PREPARE_WITHIN.as_secs()
                );
                return Err(Error::new(Code::Timeout, detail).with(NOT_SENT, true));
            }
        };
        // From the first byte of the letter on, silence tells nothing.
        let taken = tokio::time::timeout(TAKEN_WITHIN, connection.message(&letter.bytes)).await;
        match taken {
            Ok(Ok(_)) => {}
            Ok(Err(error)) if answered(&error) => return Err(refusal(&error)),
            Ok(Err(error)) => {
                let detail = "The connection to the mail server broke off while it took a letter.";
                return Err(Error::new(Code::ProviderUnavailable, detail)
                    .caused_by(error)
                    .with(OUTCOME, OUTCOME_UNKNOWN));
            }
            Err(_) => {
                let detail = format!(
                    "The mail server did not say within {} seconds that it took the letter.",
                    TAKEN_WITHIN.as_secs()
                );
                return Err(Error::new(Code::Timeout, detail).with(OUTCOME, OUTCOME_UNKNOWN));
            }
        }
        // It has the letter, whether or not it says goodbye.
        let _ = tokio::time::timeout(Duration::from_secs(2), connection.quit()).await;
        Ok(())
    }

    /// Goes as far as the server's readiness to take the letter.
    async fn prepare(&self, letter: &Written) -> Result<AsyncSmtpConnection> {
        let mut connection = self.connect().await?;
        if let Some((user, password)) = &self.login {
            let login = Credentials::new(user.clone(), password.expose_secret().to_owned());
            connection.auth(DEFAULT_MECHANISMS, &login).await.map_err(|e| not_sent(&e))?;
        }
        let mut options = Vec::new();
        let info = connection.server_info();
        let all = letter.envelope.to().iter().chain(letter.envelope.from());
        if all.into_iter().any(|address| !address.to_string().is_ascii()) {
            if !info.supports_feature(Extension::SmtpUtfEight) {
                let detail = "The mail server does not take addresses with such letters.";
                return Err(Error::new(Code::ProviderRefused, detail).with(NOT_SENT, true));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        if !letter.bytes.is_ascii() && info.supports_feature(Extension::EightBitMime) {
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let from = letter.envelope.from().cloned();
        connection.command(Mail::new(from, options)).await.map_err(|e| not_sent(&e))?;
        for receiver in letter.envelope.to() {
            let command = Rcpt::new(receiver.clone(), Vec::new());
            connection.command(command).await.map_err(|e| not_sent(&e))?;
        }
        connection.command(Data).await.map_err(|e| not_sent(&e))?;
        Ok(connection)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection> {
        let hello = ClientId::default();
        let address = (self.host.as_str(), self.port);
        let tls = || TlsParameters::new(self.host.clone()).map_err(|e| not_sent(&e));
        let within = Some(PREPARE_WITHIN);
        let first = match self.protection {
            Protection::Tls => Some(tls()?),
            Protection::StartTls | Protection::None => None,
        };
        let connection =
            AsyncSmtpConnection::connect_tokio1(address, within, &hello, first, None).await;
        let mut connection = connection.map_err(|e| not_sent(&e))?;
        if self.protection == Protection::StartTls {
            connection.starttls(tls()?, &hello).await.map_err(|e| not_sent(&e))?;
        }
        Ok(connection)
    }
}

/// Whether the server itself said no.
fn answered(error: &SmtpError) -> bool {
    error.is_permanent() || error.is_transient()
}

/// What a server says to a letter it does not take.
fn refusal(error: &SmtpError) -> Error {
    let said: String = error.to_string().chars().take(300).collect();
    let said = said.replace(char::is_control, " ");
    let detail = format!("The mail server does not take the letter: {said}.");
    // 4xx: not now, greylisting for one.
    let code = match error.is_permanent() {
        true => Code::ProviderRefused,
        false => Code::ProviderUnavailable,
    };
    Error::new(code, detail)
}

/// A failure before the letter: it certainly did not go out.
fn not_sent(error: &SmtpError) -> Error {
    let error = match answered(error) {
        true => refusal(error),
        false if error.is_client() => {
            let detail = format!("The mail server cannot be used: {error}.");
            Error::new(Code::ProviderRefused, detail)
        }
        false => {
            let detail = "The mail server cannot be reached, or it broke off the connection.";
            Error::new(Code::ProviderUnavailable, detail).caused_by(error)
        }
    };
    error.with(NOT_SENT, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Server> {
        Server::read(&SecretString::from(text))
    }

    #[test]
    fn addresses_say_how_the_connection_is_protected() {
        for (text, host, port, protection) in [
            ("smtps://smtp.example.org", "smtp.example.org", 465, Protection::Tls),
            ("smtps://u:p@smtp.example.org:4465/", "smtp.example.org", 4465, Protection::Tls),
            ("smtp://u:p@smtp.example.org", "smtp.example.org", 587, Protection::StartTls),
            ("smtp://127.0.0.1:2525?tls=none", "127.0.0.1", 2525, Protection::None),
        ] {
            let server = read(text).unwrap();
            assert_eq!((server.host.as_str(), server.port), (host, port), "{text}");
            assert_eq!(server.protection, protection, "{text}");
        }
        let server = read("smtps://ann%40example.org:p%3Aw@smtp.example.org").unwrap();
        let (user, password) = server.login.unwrap();
        assert_eq!((user.as_str(), password.expose_secret()), ("ann@example.org", "p:w"));
    }

    #[test]
    fn what_is_no_server_is_refused_without_repeating_the_password() {
        for text in [
            "smtp.example.org",
            "https://s3cret@x",
            "smtps://u:s3cret@x?tls=none",
            "smtp://u:s3cret@x?tls=maybe",
            "smtp://u@x",
            "smtp://:s3cret@x",
            "smtp://u:s3cret@x/path",
            "smtp://",
        ] {
            let error = read(text).err().unwrap_or_else(|| panic!("{text} is taken"));
            assert_eq!(error.code, Code::Invalid, "{text}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }
}
