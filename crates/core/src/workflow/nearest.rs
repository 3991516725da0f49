//! Names of actions that do not exist, and what was probably meant.

/// What is wrong with the name of an action that there is not. It does not list those there are:
/// the error says them once, as `known_actions`, however many such names there are.
pub fn no_such_action(name: &str, known: &[&str]) -> String {
    let instead = match nearest(name, known) {
        Some(near) => format!("do you mean `{near}`?"),
        None => "`known_actions` are those there are.".to_owned(),
    };
    format!("there is no action `{name}`; {instead}")
}

/// The known name most like another, if at most a third of it has to be changed.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let distances = known.iter().map(|other| (strsim::osa_distance(name, other), *other));
    let (distance, near) = distances.min()?;
    (distance * 3 <= near.chars().count()).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_wild_guess_is_not() {
        let known =
            ["collection.upsert", "create_contact", "hubspot.update_contact", "slack.post_message"];
        for (name, near) in [
            ("slack.post_mesage", Some("slack.post_message")),
            ("slack.send_message", Some("slack.post_message")),
            ("post_message", Some("slack.post_message")),
            ("collection.upsret", Some("collection.upsert")),
            ("createcontact", Some("create_contact")),
            ("send_fax", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &known), near, "{name}");
        }
        assert_eq!(nearest("x", &[]), None);
        let told = no_such_action("slack.post_mesage", &known);
        assert_eq!(
            told,
            "there is no action `slack.post_mesage`; do you mean `slack.post_message`?"
        );
        assert!(no_such_action("send_fax", &known).contains("`known_actions`"));
    }
}
