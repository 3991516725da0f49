use super::*;

fn tenant() -> TenantId {
    TenantId::trusted("ten_1")
}

fn chain(length: u64) -> Vec<Chained> {
    let mut head = Head::default();
    (1..=length)
        .map(|seq| {
            head.append(AuditRecord {
                seq,
                id: AuditId::trusted(format!("aud_{seq}")),
                tenant: tenant(),
                at: Timestamp::from_secs(i64::try_from(seq).unwrap()),
                actor: "user:usr_1".into(),
                action: "integration.updated".into(),
                target: "int_1".into(),
                outcome: Outcome::Success,
                detail: json!({"changed": ["name"], "seq": seq}),
            })
        })
        .collect()
}

fn broken(rows: &[Chained]) -> Break {
    verify(&tenant(), rows, None).unwrap_err()
}

#[test]
fn a_whole_chain_verifies_and_continues_from_its_head() {
    let rows = chain(20);
    let verified = verify(&tenant(), &rows, None).unwrap();
    assert_eq!(verified.records, 20);
    assert_eq!(verified.head, Head { seq: 20, hash: rows[19].hash });

    let middle = Head { seq: 12, hash: rows[11].hash };
    let mut verifier = Verifier::new(tenant(), middle, Some(verified.head));
    rows[12..].iter().for_each(|row| verifier.push(row).unwrap());
    assert_eq!(verifier.finish().unwrap().records, 8);
}

#[test]
fn an_empty_chain_is_whole_unless_records_are_known_to_have_existed() {
    assert_eq!(verify(&tenant(), &[], None).unwrap().head, Head::default());
    let kept = Head { seq: 1, hash: chain(1)[0].hash };
    let cut = verify(&tenant(), &[], Some(kept)).unwrap_err();
    assert_eq!(cut, Break { seq: 1, reason: BreakReason::Truncated });
}

#[test]
fn a_change_to_any_member_shows_at_its_record() {
    let changes: [fn(&mut AuditRecord); 7] = [
        |r| r.id = AuditId::trusted("aud_other"),
        |r| r.at = r.at.plus_millis(1),
        |r| r.actor = "system".into(),
        |r| r.action = "integration.deleted".into(),
        |r| r.target = "int_2".into(),
        |r| r.outcome = Outcome::Denied,
        |r| r.detail = json!({"changed": []}),
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut rows = chain(9);
        change(&mut rows[index].record);
        let seq = u64::try_from(index).unwrap() + 1;
        assert_eq!(broken(&rows), Break { seq, reason: BreakReason::Altered });
    }
}

#[test]
fn removal_shows_wherever_it_is() {
    for gone in 0..8 {
        let mut rows = chain(9);
        rows.remove(gone);
        let seq = u64::try_from(gone).unwrap() + 1;
        assert_eq!(broken(&rows), Break { seq, reason: BreakReason::Missing });
    }
    let rows = chain(9);
    let kept = Head { seq: 9, hash: rows[8].hash };
    let cut = verify(&tenant(), &rows[..7], Some(kept)).unwrap_err();
    assert_eq!(cut, Break { seq: 8, reason: BreakReason::Truncated });
}

#[test]
fn swaps_repeats_and_renumbering_show() {
    let mut swapped = chain(5);
    swapped.swap(1, 2);
    assert_eq!(broken(&swapped), Break { seq: 2, reason: BreakReason::Missing });

    let mut repeated = chain(5);
    repeated[3] = repeated[2].clone();
    assert_eq!(broken(&repeated), Break { seq: 3, reason: BreakReason::OutOfOrder });

    let mut renumbered = chain(5);
    renumbered.swap(1, 2);
    renumbered[1].record.seq = 2;
    renumbered[2].record.seq = 3;
    assert_eq!(broken(&renumbered), Break { seq: 2, reason: BreakReason::Altered });
}

#[test]
fn a_consistent_rewrite_shows_against_a_kept_head() {
    let kept = Head { seq: 5, hash: chain(5)[4].hash };
    let mut head = Head::default();
    let rewritten: Vec<_> = chain(5)
        .into_iter()
        .map(|row| head.append(AuditRecord { target: "int_9".into(), ..row.record }))
        .collect();
    assert!(verify(&tenant(), &rewritten, None).is_ok());
    let found = verify(&tenant(), &rewritten, Some(kept)).unwrap_err();
    assert_eq!(found, Break { seq: 5, reason: BreakReason::Altered });
}

#[test]
fn another_tenants_record_is_refused() {
    let rows = chain(2);
    let found = verify(&TenantId::trusted("ten_2"), &rows, None).unwrap_err();
    assert_eq!(found, Break { seq: 1, reason: BreakReason::ForeignTenant });
}

#[test]
fn the_form_is_pinned() {
    // Changing the canonical form silently would make every stored chain unverifiable.
    let form = concat!(
        r#"{"action":"integration.updated","actor":"user:usr_1","at":1000000,"#,
        r#""detail":{"changed":["name"],"seq":1},"id":"aud_1","outcome":"success","seq":1,"#,
        r#""target":"int_1","tenant":"ten_1","v":1}"#,
    );
    let written_out = Digest::of(&[&[0; 32], form.as_bytes()].concat());
    assert_eq!(chain(1)[0].hash, written_out);
    assert_eq!(
        written_out.to_string(),
        "328f66033ae18fffb12d489fef620290fb7d953435ad4b510954b80a9c6e7922"
    );
}
