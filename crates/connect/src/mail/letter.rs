//! What an e-mail says, and how it is written so that nothing in it can pass for something else.

use std::time::{Duration, SystemTime};

use connectus_core::{Error, Result, Timestamp, notification::check_address};
use lettre::{
    Address, Message,
    address::Envelope,
    message::{Mailbox, MultiPart, SinglePart},
};
use sha2::{Digest, Sha256};

/// Longest subject, in characters.
pub const MAX_SUBJECT_CHARS: usize = 300;
/// Largest body, in bytes, of the text and of the HTML each.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// Most receivers.
const MAX_RECEIVERS: usize = connectus_core::notification::MAX_RECEIVERS;

/// A letter to write.
#[derive(Clone, Debug, Default)]
pub struct Letter {
    /// Who gets it, all seen by each other.
    pub to: Vec<String>,
    /// One line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML, for readers that show it.
    pub html: Option<String>,
    /// Where answers go; none for the sender.
    pub reply_to: Option<String>,
}

/// A letter as it goes over the wire.
pub(super) struct Written {
    pub id: String,
    pub envelope: Envelope,
    pub bytes: Vec<u8>,
}

/// The `Message-ID` of what is sent under a key, in the domain of the sender.
pub fn message_id(key: &str, from: &str) -> String {
    let digest = hex::encode(Sha256::digest(key.as_bytes()));
    let domain = from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    format!("<{}@{domain}>", &digest[..40])
}

impl Letter {
    /// Writes it, in the name of `from`.
    ///
    /// # Errors
    /// `invalid`, naming what cannot be sent.
    pub(super) fn write(&self, from: &str, key: &str, at: Timestamp) -> Result<Written> {
        self.check()?;
        let id = message_id(key, from);
        let sender = mailbox("smtp.from", from)?;
        let mut builder = Message::builder()
            .from(sender.clone())
            .message_id(Some(id.clone()))
            .date(moment(at))
            .subject(&self.subject);
        let mut receivers: Vec<Address> = Vec::new();
        for address in &self.to {
            let receiver = mailbox("to", address)?;
            receivers.push(receiver.email.clone());
            builder = builder.to(receiver);
        }
        if let Some(address) = &self.reply_to {
            builder = builder.reply_to(mailbox("reply_to", address)?);
        }
        let envelope =
            Envelope::new(Some(sender.email), receivers).map_err(|error| unwritable(&error))?;
        let message = match &self.html {
            Some(html) => builder
                .multipart(MultiPart::alternative_plain_html(self.text.clone(), html.clone())),
            None => builder.singlepart(SinglePart::plain(self.text.clone())),
        };
        let bytes = message.map_err(|error| unwritable(&error))?.formatted();
        Ok(Written { id, envelope, bytes })
    }

    fn check(&self) -> Result<()> {
        if self.to.is_empty() || self.to.len() > MAX_RECEIVERS {
            let message = format!("must hold 1 to {MAX_RECEIVERS} e-mail addresses.");
            return Err(Error::invalid("to", message));
        }
        self.to.iter().try_for_each(|address| check_address("to", address))?;
        self.reply_to.iter().try_for_each(|address| check_address("reply_to", address))?;
        let chars = self.subject.trim().chars().count();
        if !(1..=MAX_SUBJECT_CHARS).contains(&chars) || self.subject.contains(char::is_control) {
            let message = format!("must be 1 to {MAX_SUBJECT_CHARS} characters in one line.");
            return Err(Error::invalid("subject", message));
        }
        for (name, body) in [("text", Some(&self.text)), ("html", self.html.as_ref())] {
            if body.is_some_and(|body| body.len() > MAX_BODY_BYTES || body.contains('\0')) {
                let message =
                    format!("must be at most {MAX_BODY_BYTES} bytes, without zero bytes.");
                return Err(Error::invalid(name, message));
            }
        }
        Ok(())
    }
}

fn mailbox(field: &str, address: &str) -> Result<Mailbox> {
    let parsed: Result<Address, _> = address.parse();
    let refused = |_| Error::invalid(field, "must be e-mail addresses, as ann@example.org.");
    Ok(Mailbox::new(None, parsed.map_err(refused)?))
}

fn moment(at: Timestamp) -> SystemTime {
    let micros = u64::try_from(at.0).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
}

fn unwritable(error: &lettre::error::Error) -> Error {
    Error::invalid("to", format!("makes a letter that cannot be written: {error}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            to: vec!["ann@example.org".into(), "bob@example.org".into()],
            subject: "Überraschung".into(),
            text: "One\n.\nTwo".into(),
            ..Letter::default()
        }
    }

    fn written(letter: &Letter) -> String {
        let at = Timestamp::from_secs(1_767_603_600);
        let written = letter.write("connectus@example.org", "ten/run/step", at).unwrap();
        String::from_utf8(written.bytes).unwrap()
    }

    #[test]
    fn a_letter_has_one_identity_per_key() {
        let text = written(&letter());
        let id = message_id("ten/run/step", "connectus@example.org");
        assert!(id.ends_with("@example.org>") && text.contains(&id), "{text}");
        assert_ne!(message_id("ten/run/other", "connectus@example.org"), id);
        assert!(text.contains("Date: Mon, 05 Jan 2026 09:00:00 +0000\r\n"), "{text}");
        assert!(text.contains("To: ann@example.org, bob@example.org\r\n"), "{text}");
        assert_eq!(written(&letter()), text);
    }

    #[test]
    fn both_forms_go_out_where_there_are_two() {
        let text = written(&Letter { html: Some("<b>One</b>".into()), ..letter() });
        assert!(text.contains("multipart/alternative"), "{text}");
        assert!(text.contains("text/html") && text.contains("text/plain"), "{text}");
    }

    #[test]
    fn nothing_in_a_letter_can_become_a_header() {
        type Change = fn(&mut Letter);
        let changes: [(Change, &str); 9] = [
            (|letter| letter.subject = "Hi\r\nBcc: eve@example.org".into(), "subject"),
            (|letter| letter.subject = "Hi\nBcc: eve@example.org".into(), "subject"),
            (|letter| letter.subject = String::new(), "subject"),
            (|letter| letter.to = vec!["ann@example.org\r\nBcc: eve@example.org".into()], "to"),
            (|letter| letter.to = vec!["Ann <ann@example.org>".into()], "to"),
            (|letter| letter.to = Vec::new(), "to"),
            (|letter| letter.to = vec!["a@b.example".into(); MAX_RECEIVERS + 1], "to"),
            (|letter| letter.reply_to = Some("a@b\r\nX: y".into()), "reply_to"),
            (|letter| letter.text = "x".repeat(MAX_BODY_BYTES + 1), "text"),
        ];
        for (change, field) in changes {
            let mut letter = letter();
            change(&mut letter);
            let at = Timestamp::from_secs(0);
            let error = letter.write("c@example.org", "k", at).err().unwrap();
            assert!(format!("{error:?}").contains(field), "{error:?} does not name {field}");
        }
        // A body may say what it likes: it begins after the headers.
        let text = written(&Letter { text: "Bcc: eve@example.org\r\n".into(), ..letter() });
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("eve@"), "{head}");
    }
}
