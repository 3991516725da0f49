//! People and machines that prove who they are, rightly and wrongly.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use super::Journey;
use crate::support::{Answer, Call};

impl Journey {
    /// Set-up, sign-in by every way, wrong passwords, keys, tokens of others.
    pub async fn people(&mut self) {
        self.first_owner().await;
        let (user, password) = self.user().await;
        self.changed_password(password).await;
        self.api_key().await;
        self.others(&user).await;
    }

    async fn first_owner(&mut self) {
        let token = self.world.app.app.auth.setup_token().await.unwrap().unwrap();
        self.marked.learn("set-up token", &token);
        let password = self.marked.plant("password of the first owner");
        let first = json!({
            "token": token, "tenant_name": "First", "email": "first@example.org",
            "password": password,
        });
        let mut wrong = first.clone();
        wrong["email"] = json!("nobody");
        self.bare("auth.setup refused", Call::post("/api/v1/auth/setup").json(&wrong)).await;
        let set_up = Call::post("/api/v1/auth/setup").json(&first);
        let tokens = self.bare("auth.setup", set_up).await.expect(201);
        self.learn_tokens(&tokens);
    }

    /// A user who signs in by tokens and by cookie; the identifier and the password.
    async fn user(&mut self) -> (String, String) {
        let password = self.marked.plant("password of a user");
        let person = json!({"email": "ann@example.org", "password": password, "role": "admin"});
        let created = self.owner("users.create", Call::post("/api/v1/users").json(&person)).await;
        let user = created.expect(201).text_of("id");
        let login = json!({"email": "ann@example.org", "password": password});
        let tokens = self.bare("auth.login", Call::post("/api/v1/auth/login").json(&login)).await;
        let tokens = tokens.expect(200);
        self.learn_tokens(&tokens);
        let access = tokens.text_of("access_token");
        self.bare("auth.me", Call::get("/api/v1/auth/me").bearer(&access)).await.expect(200);

        let refresh = json!({"refresh_token": tokens.text_of("refresh_token")});
        let next = Call::post("/api/v1/auth/refresh").json(&refresh);
        let next = self.bare("auth.refresh", next).await.expect(200);
        self.learn_tokens(&next);
        let reused = Call::post("/api/v1/auth/refresh").json(&refresh);
        self.bare("auth.refresh reused", reused).await.expect(401);

        let mut cookie = login.clone();
        cookie["keep"] = json!("cookie");
        let answer = self.bare("auth.login", Call::post("/auth/login").json(&cookie)).await;
        let cookie = answer.expect(200).header("set-cookie").to_owned();
        let pair = cookie.split(';').next().unwrap().to_owned();
        self.marked.learn("console cookie", pair.split_once('=').unwrap().1);
        let me = Call::get("/api/v1/auth/me").header("cookie", &pair);
        self.bare("auth.me", me).await.expect(200);
        (user, password)
    }

    /// Passwords that are wrong, too short, and new.
    async fn changed_password(&mut self, password: String) {
        let login = json!({"email": "ann@example.org", "password": password});
        for _ in 0..3 {
            let guess = self.marked.plant("wrong password");
            let guess = json!({"email": "ann@example.org", "password": guess});
            self.bare("auth.login refused", Call::post("/auth/login").json(&guess)).await;
        }
        let new = self.marked.plant("new password");
        let change = json!({"current_password": password, "new_password": new});
        let tokens = self.bare("auth.login", Call::post("/auth/login").json(&login)).await;
        let access = tokens.expect(200).text_of("access_token");
        self.marked.learn("access token", &access);
        let change = Call::post("/api/v1/auth/password").json(&change).bearer(&access);
        self.bare("auth.password", change).await.expect(204);
        let short = json!({"email": "b@example.org", "password": "zqcanary", "role": "viewer"});
        self.owner("users.create refused", Call::post("/api/v1/users").json(&short))
            .await
            .expect(422);
    }

    /// A key made twice under one idempotency key: the kept answer shows it too.
    async fn api_key(&mut self) {
        let key = json!({"name": "export", "role": "viewer"});
        let make = || Call::post("/api/v1/api-keys").json(&key).key("make-a-key");
        let made = self.owner("api_keys.create", make()).await.expect(201);
        self.marked.learn("API key", &made.text_of("token"));
        self.owner("api_keys.create replayed", make()).await.expect(201);
    }

    /// Credentials that come from elsewhere, good and bad.
    async fn others(&mut self, user: &str) {
        let (app, now) = (&self.world.app.app, self.world.app.db.sim.env.now().secs());
        let claims = json!({
            "user_id": user, "aud": app.settings.auth.jwt_audience,
            "iss": app.settings.auth.jwt_issuer, "exp": now + 300, "iat": now,
        });
        let key = EncodingKey::from_secret(self.jwt_secret.as_bytes());
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        self.marked.learn("token of another system", &token);
        let me = Call::get("/api/v1/auth/me").bearer(&token);
        self.bare("auth.me by a partner's token", me).await.expect(200);
        let service = Call::get("/api/v1/auth/me")
            .header("x-service-secret", &self.service_secret)
            .header("x-user-id", user);
        self.bare("auth.me by a partner", service).await.expect(200);
        for name in ["authorization", "x-service-secret", "cookie"] {
            let wrong = self.marked.plant("refused credential");
            let value = match name {
                "authorization" => format!("Bearer cnx_00000000_{wrong}"),
                "cookie" => format!("connectus_session={wrong}"),
                _ => wrong,
            };
            let call = Call::get("/api/v1/auth/me").header(name, &value).header("x-user-id", user);
            self.bare("auth.me refused", call).await;
        }
    }

    fn learn_tokens(&mut self, answer: &Answer) {
        self.marked.learn("access token", &answer.text_of("access_token"));
        self.marked.learn("refresh token", &answer.text_of("refresh_token"));
    }
}
