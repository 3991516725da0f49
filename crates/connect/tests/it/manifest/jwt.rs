//! Looks at signed tokens as a provider does.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

/// Whether a token is what the manifest says, but for the time at which it was made.
pub fn good(token: Option<&str>, algorithm: &str) -> bool {
    let Some(token) = token else { return false };
    let encoded =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "password-canary-1");
    let algorithm: Algorithm = algorithm.parse().unwrap();
    let long = algorithm == Algorithm::HS512;
    let key = if long { encoded.as_str() } else { "password-canary-1" };
    let mut rules = Validation::new(algorithm);
    (rules.validate_exp, rules.validate_aud) = (false, false);
    let key = DecodingKey::from_secret(key.as_bytes());
    let (Ok(header), Ok(token)) = (decode_header(token), decode::<Value>(token, &key, &rules))
    else {
        return false;
    };
    let mut claims = token.claims;
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    for name in ["iat", "exp", "nbf"] {
        claims.as_object_mut().unwrap().remove(name).unwrap();
    }
    if long {
        return claims == json!({}) && life == 1200;
    }
    let expected = json!({"iss": "issuer", "aud": "eu", "scope": "us", "list": ["eu", "us"]});
    header.typ.as_deref() == Some("JWT") && life == 600 && claims == expected
}
