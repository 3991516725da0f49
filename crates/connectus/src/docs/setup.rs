//! The set-up link's pages: a form for the first owner, and the way on.

use super::html::{Page, escape};

/// What was entered so far; never the password.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entered<'e> {
    /// The link's one-time token.
    pub token: &'e str,
    /// Name of the organisation.
    pub tenant_name: &'e str,
    /// The owner's address.
    pub email: &'e str,
    /// What was wrong with it.
    pub wrong: Option<&'e str>,
}

/// The form.
pub fn form(entered: Entered<'_>) -> Page {
    let Entered { token, tenant_name, email, wrong } = entered;
    let [token, tenant_name, email] = [token, tenant_name, email].map(escape);
    let wrong =
        wrong.map(|text| format!("<p class=\"wrong\" role=\"alert\">{}</p>\n", escape(text)));
    let wrong = wrong.unwrap_or_default();
    let body = format!(
        "<h1>Become the owner</h1>\n\
         <p>This makes the first organisation of this installation and its owner. The link works \
         once.</p>\n{wrong}\
         <form method=\"post\" action=\"/setup\" autocomplete=\"on\">\n\
         <input type=\"hidden\" name=\"token\" value=\"{token}\">\n\
         <label>Organisation <input name=\"tenant_name\" required maxlength=\"200\" \
         autocomplete=\"organization\" value=\"{tenant_name}\"></label>\n\
         <label>E-mail <input name=\"email\" type=\"email\" required autocomplete=\"username\" \
         value=\"{email}\"></label>\n\
         <label>Password, at least ten characters <input name=\"password\" type=\"password\" \
         required minlength=\"10\" autocomplete=\"new-password\"></label>\n\
         <button>Set up</button>\n</form>\n"
    );
    Page { has_form: true, ..Page::new("Set up", body) }
}

/// What the new owner sees: a key, this one time, and what to do with it.
pub fn done(url: &str, email: &str, token: &str) -> Page {
    let [url, email, token] = [url, email, token].map(escape);
    let body = format!(
        "<h1>You are the owner</h1>\n\
         <p>Sign in as <code>{email}</code> with <code>POST {url}/api/v1/auth/login</code>.</p>\n\
         <p>This API key acts for you. <strong>It is shown this one time</strong>: keep it, or \
         revoke it and make others with <code>connectus token create</code>.</p>\n\
         <pre><code>{token}</code></pre>\n\
         <h2>First call</h2>\n\
         <pre><code>curl -H \"Authorization: Bearer {token}\" {url}/api/v1/providers</code></pre>\n\
         <p>Everything else is in <a href=\"/docs\">the API</a>.</p>\n"
    );
    Page::new("Set up", body)
}
