//! A token that is signed here and now.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use connectus_core::{Code, Error, Result};
use jsonwebtoken::{Algorithm, EncodingKey, crypto::sign};
use serde_json::{Map, Value};

use super::key;
use crate::manifest::{
    document::{Component, Node},
    interpolation::{Condition, Mapping, Scope},
    request::{Options, Site, Slot},
    text::{Text, condition},
};

/// Life of a token whose manifest names none, in seconds.
const USUAL_LIFE_SECS: i64 = 1_200;

/// A `JwtAuthenticator`.
#[derive(Debug)]
pub struct Jwt {
    algorithm: Algorithm,
    name: String,
    key: Text,
    encoded: Option<Condition>,
    life_secs: i64,
    prefix: Option<Text>,
    header: Part,
    payload: Part,
    slot: Slot,
}

/// Header or payload of the token.
#[derive(Debug)]
struct Part {
    own: Vec<(&'static str, Text)>,
    more: Option<Mapping>,
}

impl Jwt {
    /// Reads the authenticator.
    ///
    /// # Errors
    /// `invalid` when it cannot be read, or names an algorithm that is not supported.
    pub fn compile(component: &Component, site: &Site) -> Result<Self> {
        let name = component.need_text("algorithm")?.to_string();
        let algorithm = name
            .parse()
            .map_err(|_| component.wrong("algorithm", &format!("`{name}` is not supported")))?;
        let life = component.node("token_duration").map(Node::to_value);
        let slot = match component.component("request_option")? {
            Some(option) => Slot::compile(&option, &site.scope())?,
            None => Slot::header("Authorization".into()),
        };
        let header = Part::compile(
            component,
            ("jwt_headers", &["kid", "typ", "cty"]),
            ("additional_jwt_headers", &["kid", "alg", "typ", "cty"]),
        )?;
        let payload = Part::compile(
            component,
            ("jwt_payload", &["iss", "sub", "aud"]),
            ("additional_jwt_payload", &["iss", "sub", "aud", "iat", "exp", "nbf"]),
        )?;
        Ok(Self {
            key: Text::need(component, "secret_key")?,
            encoded: condition(component, "base64_encode_secret_key")?,
            life_secs: life.and_then(|life| life.as_i64()).unwrap_or(USUAL_LIFE_SECS),
            prefix: Text::read(component, "header_prefix")?,
            algorithm,
            name,
            header,
            payload,
            slot,
        })
    }

    /// What goes onto a request.
    ///
    /// # Errors
    /// `invalid` when a text cannot be filled in or the key is no key.
    pub fn apply(&self, site: &Site) -> Result<Options> {
        let scope = site.scope().with_json_loads();
        let token = self.signed(site, &scope)?;
        site.shared.book.note(&token);
        let prefix = self.prefix.as_ref().map(|prefix| prefix.string(&scope)).transpose()?;
        let written = match prefix.filter(|prefix| !prefix.is_empty()) {
            Some(prefix) => format!("{prefix} {token}"),
            None => token,
        };
        let mut options = Options::default();
        self.slot.put(&mut options, written.into());
        Ok(options)
    }

    fn signed(&self, site: &Site, scope: &Scope<'_>) -> Result<String> {
        let now = site.wire.env.now().millis().div_euclid(1_000);
        let mut header = self.header.eval(scope)?;
        header.entry("typ").or_insert_with(|| "JWT".into());
        header.insert("alg".into(), self.name.clone().into());
        let mut payload = self.payload.eval(scope)?;
        payload.insert("iat".into(), now.into());
        payload.insert("exp".into(), now.saturating_add(self.life_secs).into());
        payload.insert("nbf".into(), now.into());
        let part = |map: Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(map).to_string());
        let message = format!("{}.{}", part(header), part(payload));
        let signature = sign(message.as_bytes(), &self.key(site, scope)?, self.algorithm);
        // The cause may quote the key.
        let signature = signature.map_err(|_| self.no_key())?;
        Ok(format!("{message}.{signature}"))
    }

    fn key(&self, site: &Site, scope: &Scope<'_>) -> Result<EncodingKey> {
        let mut secret = self.key.string(scope)?;
        site.shared.book.note(&secret);
        if self.encoded.as_ref().map_or(Ok(false), |encoded| encoded.holds(scope))? {
            secret = STANDARD.encode(secret);
            site.shared.book.note(&secret);
        }
        match self.algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                Ok(EncodingKey::from_secret(secret.as_bytes()))
            }
            algorithm => key_of(algorithm, &secret).ok_or_else(|| self.no_key()),
        }
    }

    fn no_key(&self) -> Error {
        let detail = format!("The secret key of the settings is no key for {}.", self.name);
        Error::new(Code::Invalid, detail).with("failure_type", "config_error")
    }
}

fn key_of(algorithm: Algorithm, text: &str) -> Option<EncodingKey> {
    let (label, bytes) = key::pem(text)?;
    match algorithm {
        Algorithm::ES256 | Algorithm::ES384 => Some(EncodingKey::from_ec_der(&bytes)),
        Algorithm::EdDSA => Some(EncodingKey::from_ed_der(&bytes)),
        _ if label == "RSA PRIVATE KEY" => Some(EncodingKey::from_rsa_der(&bytes)),
        _ => key::inner(&bytes).map(EncodingKey::from_rsa_der),
    }
}

impl Part {
    fn compile(
        component: &Component,
        (member, names): (&str, &[&'static str]),
        (more, reserved): (&str, &[&str]),
    ) -> Result<Self> {
        let mut own = Vec::new();
        if let Some(part) = component.component(member)? {
            for name in names {
                own.extend(Text::read(&part, name)?.map(|text| (*name, text)));
            }
        }
        let Some(Node::Map(map)) = component.node(more) else {
            return Ok(Self { own, more: None });
        };
        let members = map.iter().filter(|(name, _)| !name.starts_with('$'));
        let members: Map<String, Value> =
            members.map(|(name, node)| (name.to_string(), node.to_value())).collect();
        if let Some(name) = reserved.iter().find(|name| members.contains_key(**name)) {
            return Err(component.wrong(more, &format!("must not set `{name}`")));
        }
        let mapping = Mapping::compile(&members, component.parameters().given());
        let mapping = mapping.map_err(|error| component.wrong(more, &error.detail))?;
        Ok(Self { own, more: Some(mapping) })
    }

    fn eval(&self, scope: &Scope<'_>) -> Result<Map<String, Value>> {
        let mut part = match &self.more {
            Some(more) => more.render(scope)?,
            None => Map::new(),
        };
        for (name, text) in &self.own {
            part.insert((*name).to_owned(), text.eval(scope)?);
        }
        Ok(part)
    }
}
