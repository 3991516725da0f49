use super::*;

const PLACE: Place<'_> = Place { table: "credentials", row: "int_1", column: "sealed" };

fn sealer(byte: u8) -> Sealer {
    Sealer::new(Key::new([byte; 32]), crate::system::env())
}

fn tenant(name: &str) -> TenantId {
    TenantId::trusted(name)
}

#[test]
fn opens_at_its_own_place_only() {
    let (sealer, a) = (sealer(1), tenant("ten_a"));
    let (key, _) = sealer.new_data_key(&a).unwrap();
    let sealed = sealer.seal(&key, &a, PLACE, &"s3cret".into()).unwrap();
    assert!(!sealed.contains("s3cret"));
    assert_eq!(sealer.open(&key, &a, PLACE, &sealed).unwrap().expose_secret(), "s3cret");

    for place in [
        Place { table: "webhook_endpoints", ..PLACE },
        Place { row: "int_2", ..PLACE },
        Place { column: "other", ..PLACE },
    ] {
        assert!(sealer.open(&key, &a, place, &sealed).is_err(), "{place:?}");
    }
    assert!(sealer.open(&key, &tenant("ten_b"), PLACE, &sealed).is_err());
}

#[test]
fn every_altered_byte_is_noticed() {
    let (sealer, a) = (sealer(1), tenant("ten_a"));
    let (key, _) = sealer.new_data_key(&a).unwrap();
    let sealed = sealer.seal(&key, &a, PLACE, &"s3cret".into()).unwrap();
    for index in 0..sealed.len() {
        let mut bytes = sealed.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(bytes).unwrap();
        assert!(sealer.open(&key, &a, PLACE, &altered).is_err(), "byte {index}");
        assert!(sealer.open(&key, &a, PLACE, &sealed[..index]).is_err(), "cut at {index}");
    }
}

#[test]
fn no_two_seals_are_alike() {
    let (sealer, a) = (sealer(1), tenant("ten_a"));
    let (key, _) = sealer.new_data_key(&a).unwrap();
    let nonce = || {
        let sealed = sealer.seal(&key, &a, PLACE, &"s3cret".into()).unwrap();
        let body = URL_SAFE_NO_PAD.decode(sealed.rsplit('.').next().unwrap()).unwrap();
        body[..NONCE_BYTES].to_vec()
    };
    let nonces: std::collections::BTreeSet<_> = (0..100).map(|_| nonce()).collect();
    assert_eq!(nonces.len(), 100, "a nonce used twice under one key gives the texts away");
}

#[test]
fn a_value_opens_under_the_key_it_names_only() {
    let (sealer, a) = (sealer(1), tenant("ten_a"));
    let (key, _) = sealer.new_data_key(&a).unwrap();
    let sealed = sealer.seal(&key, &a, PLACE, &"s3cret".into()).unwrap();
    let renamed = DataKey { id: "other".to_owned(), key: key.key.clone() };
    assert!(sealer.open(&renamed, &a, PLACE, &sealed).is_err());
    let relabelled = sealed.replacen(&key.id, "other", 1);
    assert!(sealer.open(&renamed, &a, PLACE, &relabelled).is_err(), "the label is sealed too");
}

#[test]
fn each_purpose_and_each_master_has_a_key_of_its_own() {
    let derived = |master, purpose| *sealer(master).derive(purpose).expose_secret();
    assert_eq!(derived(1, "tokens"), derived(1, "tokens"));
    assert_ne!(derived(1, "tokens"), derived(1, "links"));
    assert_ne!(derived(1, "tokens"), derived(2, "tokens"));
    assert_ne!(derived(1, ""), [1; 32], "not the master key itself");
}

#[test]
fn a_data_key_opens_for_its_tenant_and_master_only() {
    let (good, a) = (sealer(1), tenant("ten_a"));
    let (key, wrapped) = good.new_data_key(&a).unwrap();
    assert!(good.open_data_key(&a, &key.id, &wrapped).is_ok());
    assert!(good.open_data_key(&tenant("ten_b"), &key.id, &wrapped).is_err());
    assert!(good.open_data_key(&a, "other", &wrapped).is_err());
    assert!(sealer(2).open_data_key(&a, &key.id, &wrapped).is_err());
}

#[test]
fn recognises_a_wrong_master_key() {
    let check = sealer(1).check_value().unwrap();
    assert!(sealer(1).verify_check_value(&check).is_ok());
    assert!(sealer(2).verify_check_value(&check).is_err());
    assert!(sealer(1).verify_check_value("").is_err());
}

#[test]
fn keys_print_nothing() {
    let printed = format!("{:?}", sealer(7));
    assert!(printed.contains("redacted") && !printed.contains('7'));
}
