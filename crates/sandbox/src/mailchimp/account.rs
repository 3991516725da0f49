//! What the Mailchimp fake holds.

use connectus_core::Timestamp;
use serde_json::{Value, json};

use super::{
    audience::Audience,
    batches::Batch,
    member::{Member, member_id},
    stamp,
};
use crate::{config::SandboxConfig, oauth::Grants, people, random::Random};

/// Since when the account exists.
pub(super) const OPENED_SECS: i64 = 1_700_000_000;

/// Everything the fake holds.
#[derive(Debug)]
pub(crate) struct Account {
    pub label: String,
    pub audiences: Vec<Audience>,
    pub campaigns: Vec<Value>,
    pub batches: Vec<Batch>,
    pub grants: Grants,
}

impl Account {
    pub(crate) fn seeded(config: &SandboxConfig) -> Self {
        let mut random = Random::new(config.seed, 40);
        let sizes =
            [("a1b2c3d4e5", "Newsletter", config.mailchimp_members), ("f6a7b8c9d0", "VIP", 20)];
        let audiences = sizes.map(|(id, name, size)| {
            let mut audience = Audience::new(id, name);
            for index in 0..size {
                let person = people::person(&mut random, index);
                let at = Timestamp::from_secs(OPENED_SECS + i64::from(index) * 3_600);
                let status = if index % 9 == 8 { "unsubscribed" } else { "subscribed" };
                let mut member = Member::new(&person.email, status, at);
                member.merge.insert("FNAME".into(), person.first.into());
                member.merge.insert("LNAME".into(), person.last.into());
                member.merge.insert("PHONE".into(), person.phone.into());
                audience.members.insert(member_id(&person.email), member);
            }
            audience
        });
        let campaigns = (0..12).map(|index| campaign(index, "a1b2c3d4e5"));
        Self {
            label: config.label.clone(),
            campaigns: campaigns.collect(),
            audiences: audiences.into(),
            batches: Vec::new(),
            grants: Grants::new("mc-", config.seed),
        }
    }

    pub(super) fn audience(&mut self, id: &str) -> Option<&mut Audience> {
        self.audiences.iter_mut().find(|audience| audience.id == id)
    }

    pub(crate) fn count(&self, list: &str) -> usize {
        let audience = self.audiences.iter().find(|audience| audience.id == list);
        audience.map_or(0, Audience::live)
    }

    pub(crate) fn shown(&self, list: &str, email: &str) -> Option<Value> {
        let audience = self.audiences.iter().find(|audience| audience.id == list)?;
        let id = member_id(email);
        Some(audience.members.get(&id)?.show(&id, list))
    }

    pub(crate) fn put_by_hand(&mut self, list: &str, email: &str, first: &str, now: Timestamp) {
        let Some(audience) = self.audience(list) else { return };
        let entry = audience.members.entry(member_id(email));
        let member = entry.or_insert_with(|| Member::new(email, "subscribed", now));
        member.merge.insert("FNAME".into(), first.into());
        member.changed = now;
    }
}

fn campaign(index: i64, list: &str) -> Value {
    let at = Timestamp::from_secs(OPENED_SECS + index * 604_800);
    json!({
        "id": format!("{:010x}", 0xca_0000_0000_i64 + index),
        "web_id": 4_000 + index,
        "type": "regular",
        "create_time": stamp(at),
        "send_time": stamp(at.plus_secs(3_600)),
        "status": "sent",
        "emails_sent": 250 + index,
        "recipients": {"list_id": list},
        "settings": {"subject_line": format!("News {index}"), "title": format!("News {index}")},
    })
}
