//! How one signs in to the service of a document.

use connectus_core::{
    integration::AuthType,
    provider::{
        AuthMethod, BasicAuth, ClientAuth, OAuth2, OnUnauthorized, RefreshShape, TokenAuth,
        TokenPlacement, TokenShape,
    },
};
use serde_json::Value;

use super::{references::References, short, snake, text_of};

/// The ways to sign in.
pub(super) struct Signing {
    /// Those that work here.
    pub methods: Vec<AuthMethod>,
    /// Each scheme of the document, with the name of its method or why it has none.
    schemes: Vec<(String, Result<String, String>)>,
    /// What counts where an operation says nothing.
    usual: Option<Value>,
}

impl Signing {
    pub fn of<'d>(
        document: &'d Value,
        references: &References<'d>,
        warnings: &mut Vec<String>,
    ) -> Self {
        let known = document.pointer("/components/securitySchemes").and_then(Value::as_object);
        let (mut methods, mut schemes) = (Vec::new(), Vec::new());
        for (name, scheme) in known.into_iter().flatten() {
            let made = method(name, references.follow(scheme));
            let named = made.as_ref().map(|method| method.name().to_owned()).map_err(Clone::clone);
            if let Err(reason) = &made {
                warnings.push(format!("The way to sign in `{name}` {reason}."));
            }
            methods.extend(made.ok());
            schemes.push((name.clone(), named));
        }
        if methods.is_empty() {
            warnings.push(
                "The document names no way to sign in that works here: a token is sent as bearer."
                    .to_owned(),
            );
            methods.push(AuthMethod::Token(TokenAuth {
                name: "token".into(),
                description: "A token, sent as `Authorization: Bearer`.".into(),
                field: "access_token".into(),
                placement: TokenPlacement::Bearer,
                proof: None,
            }));
        }
        Self { methods, schemes, usual: document.get("security").cloned() }
    }

    /// How most people connect it.
    pub fn auth_type(&self) -> AuthType {
        match self.methods.first() {
            Some(AuthMethod::Oauth2(_)) => AuthType::OAuth2,
            _ => AuthType::ApiKey,
        }
    }

    /// The methods an operation works with; none named: all.
    pub fn for_operation(&self, operation: &Value) -> Result<Vec<String>, String> {
        let wanted = operation.get("security").or(self.usual.as_ref());
        let Some(Value::Array(ways)) = wanted else { return Ok(Vec::new()) };
        if ways.is_empty() || self.schemes.is_empty() {
            return Ok(Vec::new());
        }
        let (mut methods, mut reasons) = (Vec::new(), Vec::new());
        for way in ways.iter().filter_map(Value::as_object) {
            let names: Vec<&String> = way.keys().collect();
            match names.as_slice() {
                [] => return Ok(Vec::new()),
                [one] => match self.schemes.iter().find(|(name, _)| name == *one) {
                    Some((_, Ok(method))) => methods.push(method.clone()),
                    Some((_, Err(reason))) => reasons.push(format!("`{one}` {reason}")),
                    None => reasons.push(format!("`{one}` is not described")),
                },
                _ => reasons.push("several ways to sign in at once".to_owned()),
            }
        }
        match methods.is_empty() {
            true => {
                Err(format!("needs a way to sign in that does not work: {}", reasons.join(", ")))
            }
            false => Ok(methods),
        }
    }
}

fn method(name: &str, scheme: &Value) -> Result<AuthMethod, String> {
    let text = |member: &str| text_of(scheme.get(member));
    let named = snake(name);
    let described = short(&text("description"));
    let token = |placement: TokenPlacement, usual: &str| {
        AuthMethod::Token(TokenAuth {
            name: named.clone(),
            description: if described.is_empty() { usual.to_owned() } else { described.clone() },
            field: "access_token".into(),
            placement,
            proof: None,
        })
    };
    match (text("type").as_str(), text("scheme").to_ascii_lowercase().as_str(), &*text("in")) {
        ("http", "bearer", _) => Ok(token(TokenPlacement::Bearer, "A bearer token.")),
        ("http", "basic", _) => Ok(AuthMethod::Basic(BasicAuth {
            name: named,
            description: "A user name and a password.".into(),
            username_field: Some("username".into()),
            password_field: "password".into(),
        })),
        ("http", other, _) => Err(format!("uses the HTTP scheme `{other}`")),
        ("apiKey", _, "header") => {
            let header = text("name");
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            if header.is_empty() || !header.bytes().all(plain) {
                return Err("names no header".to_owned());
            }
            Ok(token(TokenPlacement::Header { name: header }, "An API key."))
        }
        ("apiKey", _, place) => Err(format!("puts a key into the {place}")),
        ("oauth2", ..) => oauth(named, scheme),
        (other, ..) => Err(format!("is of the type `{other}`")),
    }
}

fn oauth(name: String, scheme: &Value) -> Result<AuthMethod, String> {
    let flow = scheme.pointer("/flows/authorizationCode");
    let flow = flow.ok_or("has no authorizationCode flow")?;
    let text = |member: &str| text_of(flow.get(member));
    let (authorize_url, token_url) = (text("authorizationUrl"), text("tokenUrl"));
    let refresh_url = text("refreshUrl");
    if !authorize_url.starts_with("https://") || !token_url.starts_with("https://") {
        return Err("has addresses that do not begin with https://".to_owned());
    }
    if !refresh_url.is_empty() && refresh_url != token_url {
        return Err("renews tokens elsewhere than where they are given".to_owned());
    }
    let scopes = flow.get("scopes").and_then(Value::as_object);
    Ok(AuthMethod::Oauth2(Box::new(OAuth2 {
        name,
        authorize_url,
        token_url,
        revoke_url: None,
        revoke_field: None,
        scopes: scopes.map(|all| all.keys().cloned().collect()).unwrap_or_default(),
        scope_separator: " ".into(),
        pkce: true,
        client_auth: ClientAuth::Body,
        authorize_params: std::collections::BTreeMap::new(),
        refresh: RefreshShape::Rotating,
        refresh_before_secs: 300,
        on_unauthorized: OnUnauthorized::Refresh,
        token: TokenShape::default(),
        placement: TokenPlacement::Bearer,
        secret_headers: std::collections::BTreeMap::new(),
        about: None,
        proof: None,
    })))
}
