//! Forged access tokens: a table of forms, none of which opens anything.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use connectus::auth::token::Claims;
use connectus_core::{Timestamp, access::Role};
use connectus_testkit::both;
use ed25519_dalek::{Signer, SigningKey};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::{Answer, Call, Organisation, TestApp, organisation::PASSWORD};

/// Everything a forger could wish for: the real key, a real token, a real session.
struct Forge {
    key: SigningKey,
    header: Value,
    claims: Value,
    genuine: String,
    foreign_tenant: String,
    foreign_session: String,
}

impl Forge {
    async fn new(app: &TestApp, ours: &Organisation, theirs: &Organisation) -> Self {
        let seed = app.db.store.sealer().derive("access tokens, ed25519");
        app.person(ours, "ann@example.org", Role::Viewer).await;
        app.person(theirs, "ben@example.org", Role::Owner).await;
        let genuine = sign_in(app, "ann@example.org").await;
        let foreign = decoded(&sign_in(app, "ben@example.org").await, 1);
        Self {
            key: SigningKey::from_bytes(seed.expose_secret()),
            header: decoded(&genuine, 0),
            claims: decoded(&genuine, 1),
            genuine,
            foreign_tenant: theirs.id.to_string(),
            foreign_session: foreign["sid"].as_str().unwrap().to_owned(),
        }
    }

    /// A token with any header and claims, signed with the real key.
    fn signed(&self, header: &str, claims: &str) -> String {
        let (header, claims) = (URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let message = format!("{header}.{claims}");
        let signature = self.key.sign(message.as_bytes()).to_bytes();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The genuine token with a member of its header changed; null removes it.
    fn header(&self, name: &str, value: Value) -> String {
        self.signed(&changed(&self.header, name, value), &self.claims.to_string())
    }

    /// The genuine token with a claim changed; null removes it.
    fn claim(&self, name: &str, value: Value) -> String {
        self.signed(&self.header.to_string(), &changed(&self.claims, name, value))
    }

    /// The genuine token with a claim's text replaced in the raw JSON.
    fn raw_claims(&self, from: &str, to: &str) -> String {
        let claims = self.claims.to_string();
        assert!(claims.contains(from), "{from} is not in {claims}");
        self.signed(&self.header.to_string(), &claims.replacen(from, to, 1))
    }

    /// The genuine claims as an HS256 token.
    fn hmac(&self, secret: &[u8]) -> String {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".to_owned());
        jsonwebtoken::encode(&header, &self.claims, &EncodingKey::from_secret(secret)).unwrap()
    }
}

fn changed(object: &Value, name: &str, value: Value) -> String {
    let mut object = object.clone();
    let members = object.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    object.to_string()
}

fn decoded(token: &str, part: usize) -> Value {
    let text = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

async fn sign_in(app: &TestApp, email: &str) -> String {
    let body = json!({"email": email, "password": PASSWORD});
    let answer = app.send(Call::post("/api/v1/auth/login").json(&body)).await;
    answer.expect(200).text_of("access_token")
}

async fn me(app: &TestApp, token: &str) -> Answer {
    app.send(Call::get("/api/v1/auth/me").bearer(token)).await
}

/// Headers that a careless verifier would follow.
fn headers(forge: &Forge) -> Vec<String> {
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"});
    let mut forms: Vec<String> = [
        "none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "RS256", "RS512", "PS256",
        "ES256", "ES384", "eddsa", "EDDSA", "EdDSA ", "Ed25519", "dir",
    ]
    .iter()
    .map(|alg| forge.header("alg", json!(alg)))
    .collect();
    let others = [
        ("alg", Value::Null),
        ("alg", json!(["EdDSA"])),
        ("typ", Value::Null),
        ("typ", json!("JWT")),
        ("typ", json!("at+JWT")),
        ("typ", json!("refresh")),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("' UNION SELECT 'key' --")),
        ("kid", json!("http://169.254.169.254/key")),
        ("kid", json!("")),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", json!(["AAAA"])),
        ("jwk", jwk),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ];
    forms.extend(others.into_iter().map(|(name, value)| forge.header(name, value)));
    let twice = r#"{"alg":"none","alg":"EdDSA","typ":"at+jwt"}"#;
    forms.push(forge.signed(twice, &forge.claims.to_string()));
    forms.push(forge.signed("[]", &forge.claims.to_string()));
    forms
}

/// Claims that the real key signed, and that must not pass all the same.
fn claims(forge: &Forge) -> Vec<String> {
    let now = forge.claims["iat"].as_i64().unwrap();
    let exp = forge.claims["exp"].as_i64().unwrap();
    let mut forms: Vec<String> = [
        ("aud", json!("another-service")),
        ("aud", json!("")),
        ("aud", json!(["connectus", "another-service"])),
        ("aud", Value::Null),
        ("iss", json!("https://evil.example")),
        ("iss", Value::Null),
        ("sub", json!("usr_somebody")),
        ("sub", Value::Null),
        ("user_id", json!("usr_somebody")),
        ("user_id", Value::Null),
        ("tenant", json!(forge.foreign_tenant)),
        ("tenant", json!("ten_unknown")),
        ("tenant", Value::Null),
        ("sid", json!(forge.foreign_session)),
        ("sid", json!("fam_unknown")),
        ("sid", Value::Null),
        ("roles", json!("owner")),
        ("roles", json!(["root"])),
        ("exp", json!(now)),
        ("exp", json!(now - 1)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(exp + 1)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(exp.to_string())),
        ("exp", json!(exp as f64 + 0.5)),
        ("exp", json!(1e300)),
        ("exp", Value::Null),
        ("iat", json!(now + 60)),
        ("iat", json!(i64::MIN)),
        ("iat", Value::Null),
        ("nbf", json!(now + 60)),
        ("admin", json!(true)),
    ]
    .into_iter()
    .map(|(name, value)| forge.claim(name, value))
    .collect();
    forms.push(forge.raw_claims("\"exp\":", "\"exp\":1,\"exp\":"));
    forms.push(forge.raw_claims("\"sub\":", "\"sub\":\"usr_somebody\",\"sub\":"));
    forms.push(forge.raw_claims(&exp.to_string(), "9223372036854775808"));
    forms.push(forge.signed(&forge.header.to_string(), "null"));
    forms.push(forge.signed(&forge.header.to_string(), ""));
    forms
}

/// Other keys, no keys, and damage.
fn signatures(forge: &Forge) -> Vec<String> {
    let [header, claims, signature] =
        forge.genuine.split('.').collect::<Vec<_>>().try_into().unwrap();
    let public = forge.key.verifying_key().to_bytes();
    let other = Forge { key: SigningKey::from_bytes(&[7; 32]), ..forge.copy() };
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    let owner = URL_SAFE_NO_PAD.encode(changed(&forge.claims, "roles", json!(["owner"])));
    vec![
        forge.hmac(&public),
        forge.hmac(hex::encode(public).as_bytes()),
        forge.hmac(URL_SAFE_NO_PAD.encode(public).as_bytes()),
        forge.hmac(STANDARD.encode(public).as_bytes()),
        forge.hmac(b"x"),
        forge.hmac(b"secret"),
        other.signed(&forge.header.to_string(), &forge.claims.to_string()),
        format!("{none}.{claims}."),
        format!("{none}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        format!("{header}.{owner}.{signature}"),
        format!("{none}.{claims}.{signature}"),
        format!("{header}.{claims}.{}", &signature[..signature.len() - 2]),
        format!("{header}.{claims}.{signature}AA"),
        format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
        format!("{header}.{claims}.{signature}=="),
        format!("{header}=.{claims}.{signature}"),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!(".{claims}.{signature}"),
        format!("{header}..{signature}"),
        forge.genuine.to_uppercase(),
        forge.genuine.replacen('.', " .", 1),
        format!("{} {}", forge.genuine, forge.genuine),
        json!({"payload": claims, "protected": header, "signature": signature}).to_string(),
        "..".to_owned(),
        "null".to_owned(),
        "undefined".to_owned(),
        "cnx_".to_owned(),
        "x".repeat(8 * 1024 - 8),
    ]
}

impl Forge {
    fn copy(&self) -> Self {
        Self {
            key: self.key.clone(),
            header: self.header.clone(),
            claims: self.claims.clone(),
            genuine: self.genuine.clone(),
            foreign_tenant: self.foreign_tenant.clone(),
            foreign_session: self.foreign_session.clone(),
        }
    }
}

both! {
    async fn a_call_without_a_credential_is_told_where_to_get_one(db: TestStore) {
        let app = TestApp::start(db).await;
        for path in ["/api/v1/runs", "/docs/errors/unauthenticated", "/docs/errors/csrf_failed"] {
            let answer = app.send(Call::get(path)).await;
            assert!(!answer.text.to_lowercase().contains("console"), "{path}: {}", answer.text);
        }
        let detail = app.send(Call::get("/api/v1/runs")).await.refused(401, "unauthenticated");
        let detail = detail.text_of("detail");
        for way in ["connectus token create", "POST /api/v1/auth/login", "cookie"] {
            assert!(detail.contains(way), "{detail}");
        }
    }

    async fn no_forged_token_is_accepted(db: TestStore) {
        let app = TestApp::start(db).await;
        let (ours, theirs) = (app.organisation("Ours").await, app.organisation("Theirs").await);
        let forge = Forge::new(&app, &ours, &theirs).await;
        // The forge itself works: what it refuses below is refused for its content alone.
        me(&app, &forge.genuine).await.expect(200);
        let resigned = forge.signed(&forge.header.to_string(), &forge.claims.to_string());
        me(&app, &resigned).await.expect(200);

        let forms: Vec<String> = [headers(&forge), claims(&forge), signatures(&forge)].concat();
        assert!(!forms.contains(&forge.genuine), "a form is the genuine token");
        assert!(forms.len() >= 60, "only {} forms", forms.len());
        for token in &forms {
            let answer = me(&app, token).await;
            assert_eq!(answer.status, 401, "accepted {token}: {}", answer.text);
        }
    }

    /// Claims about standing are for clients to read. Decisions ask the database.
    async fn a_signed_role_gives_nothing(db: TestStore) {
        let app = TestApp::start(db).await;
        let (ours, theirs) = (app.organisation("Ours").await, app.organisation("Theirs").await);
        let forge = Forge::new(&app, &ours, &theirs).await;
        let token = forge.claim("roles", json!(["owner"]));
        assert_eq!(me(&app, &token).await.expect(200).text_of("role"), "viewer");
        app.send(Call::get("/api/v1/users").bearer(&token)).await.refused(403, "forbidden");
    }

    async fn the_published_key_verifies_our_tokens(db: TestStore) {
        let app = TestApp::start(db).await;
        let (ours, theirs) = (app.organisation("Ours").await, app.organisation("Theirs").await);
        let forge = Forge::new(&app, &ours, &theirs).await;
        let keys = app.send(Call::get("/.well-known/jwks.json")).await.expect(200).json();
        let x = keys["keys"][0]["x"].as_str().unwrap();
        let key = jsonwebtoken::DecodingKey::from_ed_components(x).unwrap();
        let mut validation = jsonwebtoken::Validation::new(Algorithm::EdDSA);
        validation.set_audience(&["connectus"]);
        validation.validate_exp = false;
        let data = jsonwebtoken::decode::<Claims>(&forge.genuine, &key, &validation).unwrap();
        assert_eq!(data.claims.tenant, ours.id);
        assert!(!keys.to_string().contains("\"d\""), "a private key is published");
    }

    async fn tokens_of_another_system_are_held_to_its_secret(db: TestStore) {
        let app = TestApp::with(db, |settings| {
            settings.auth.jwt_secret = Some(SHARED.into());
            settings.auth.jwt_audience = "connectus".to_owned();
            settings.auth.jwt_issuer = "https://partner.example".to_owned();
        })
        .await;
        let (ours, theirs) = (app.organisation("Ours").await, app.organisation("Theirs").await);
        let ann = app.person(&ours, "ann@example.org", Role::Editor).await;
        let ben = app.person(&theirs, "ben@example.org", Role::Viewer).await;
        for (of, id, number) in [(&ours, &ann.id, 42), (&theirs, &ben.id, 43)] {
            let call = Call::patch(&format!("/api/v1/users/{id}")).bearer(of.owner());
            app.send(call.json(&json!({"external_id": number}))).await.expect(200);
        }
        let now = app.db.sim.env.now();
        let good = partner_claims(now);
        for (change, role) in [
            (json!({}), "editor"),
            (json!({"user_id": null, "sub": "42"}), "editor"),
            (json!({"user_id": "42", "sub": 42}), "editor"),
            (json!({"user_id": ann.id}), "editor"),
            (json!({"tenant": ours.id, "roles": ["viewer"]}), "viewer"),
            (json!({"roles": ["owner"]}), "editor"),
            (json!({"roles": ["unheard-of", "operator"]}), "operator"),
        ] {
            let token = partner_token(&merged(&good, &change), SHARED);
            let answer = me(&app, &token).await.expect(200);
            assert_eq!(answer.text_of("role"), role, "{change}");
            assert_eq!(answer.text_of("id"), ann.id.to_string());
        }
        let at = |secs: i64| now.plus_secs(secs).secs();
        for change in [
            json!({"exp": at(0)}),
            json!({"exp": at(24 * 3600 + 1)}),
            json!({"exp": null}),
            json!({"exp": i64::MAX}),
            json!({"nbf": at(31)}),
            json!({"iat": at(31)}),
            json!({"aud": "another"}),
            json!({"aud": null}),
            json!({"iss": "https://evil.example"}),
            json!({"iss": null}),
            json!({"user_id": 99}),
            json!({"user_id": 42, "sub": 43}),
            json!({"user_id": null}),
            json!({"tenant": theirs.id}),
            json!({"tenant": "ten_unknown"}),
            json!({"roles": []}),
            json!({"roles": ["unheard-of"]}),
        ] {
            let token = partner_token(&merged(&good, &change), SHARED);
            let answer = me(&app, &token).await;
            assert_eq!(answer.status, 401, "{change}: {}", answer.text);
        }
        let other_secret = partner_token(&good, "another secret of thirty-two bytes");
        me(&app, &other_secret).await.refused(401, "unauthenticated");
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            let key = EncodingKey::from_secret(SHARED.as_bytes());
            let token = jsonwebtoken::encode(&Header::new(algorithm), &good, &key).unwrap();
            me(&app, &token).await.refused(401, "unauthenticated");
        }
    }

    async fn without_a_shared_secret_no_such_token_is_read(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        app.person(&ours, "ann@example.org", Role::Owner).await;
        let good = partner_claims(app.db.sim.env.now());
        for secret in ["", "x", SHARED] {
            me(&app, &partner_token(&good, secret)).await.refused(401, "unauthenticated");
        }
    }
}

const SHARED: &str = "a shared secret of thirty-two bytes or more";

fn partner_claims(now: Timestamp) -> Value {
    json!({
        "user_id": 42, "aud": "connectus", "iss": "https://partner.example",
        "exp": now.plus_secs(600).secs(), "plan": "pro",
    })
}

fn merged(claims: &Value, change: &Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in change.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn partner_token(claims: &Value, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}
