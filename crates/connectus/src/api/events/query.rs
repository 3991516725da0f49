//! Which events a caller asks for, and which it may see.

use connectus_core::{
    Code, Error, Result, TenantCtx,
    access::Permission,
    event::{Event, EventType},
};

/// Most patterns in one question.
const MAX_PATTERNS: usize = 50;
/// Families about people and keys: for those who may see people and keys.
const PERSONAL: &[&str] = &["user", "api_key", "tenant"];

/// Whether events of a type are for those only who may see people and keys.
pub fn is_personal(kind: EventType) -> bool {
    PERSONAL.contains(&kind.family())
}

/// The events asked for: exact names, `flow.*`, or everything.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    patterns: Vec<String>,
    personal: bool,
}

impl Wanted {
    /// Reads the parameter `types`.
    ///
    /// # Errors
    /// `invalid` for a pattern that no event can match: it would wait for ever.
    pub fn parse(ctx: &TenantCtx, types: Option<&str>) -> Result<Self> {
        let names = types.unwrap_or_default().split(',').map(str::trim);
        let patterns: Vec<String> =
            names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if patterns.len() > MAX_PATTERNS {
            let message = format!("has more than {MAX_PATTERNS} names; use families, as `flow.*`.");
            return Err(Error::invalid("types", message));
        }
        for pattern in &patterns {
            if !EventType::ALL.iter().any(|kind| kind.matches(pattern)) {
                return Err(Error::invalid("types", unknown(pattern)));
            }
        }
        Ok(Self { patterns, personal: ctx.role().allows(Permission::UsersRead) })
    }

    /// Whether an event is asked for and may be seen.
    pub fn covers(&self, event: &Event) -> bool {
        let kind = event.kind;
        (self.personal || !is_personal(kind))
            && (self.patterns.is_empty() || self.patterns.iter().any(|each| kind.matches(each)))
    }
}

fn unknown(pattern: &str) -> String {
    let mut families: Vec<String> =
        EventType::ALL.iter().map(|kind| format!("{}.*", kind.family())).collect();
    families.sort();
    families.dedup();
    format!("`{pattern}` matches no event. Families: {}, or *.", families.join(", "))
}

/// Reads a position in the tenant's order of events.
///
/// # Errors
/// `bad_request` when it is not a number.
pub fn position(name: &str, text: &str) -> Result<u64> {
    text.trim().parse().map_err(|_| {
        let detail = format!("`{name}` must be the `seq` of an event: a whole number from 0.");
        Error::new(Code::BadRequest, detail)
    })
}
