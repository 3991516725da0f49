use std::{fmt::Write, sync::Arc};

use connectus_core::{
    Env, Timestamp,
    env::{Clock, Entropy},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Condition, Parameters, Scope, Template, Types, Variable};

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_700_000_000)
    }
}

impl Entropy for Still {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

fn env() -> Env {
    Env::new(Arc::new(Still), Arc::new(Still))
}

fn render(text: &str, config: &Value) -> Result<Value, String> {
    let env = env();
    let scope = Scope::new(&env, config);
    let template = Template::compile(text, &Parameters::default());
    template.and_then(|template| template.render(&scope)).map_err(|error| error.detail)
}

fn fails(text: &str) -> String {
    render(text, &json!({ "items_": [1, 2], "text": "abc" })).unwrap_err()
}

#[test]
fn errors_name_the_text_and_what_to_do() {
    for (text, said) in [
        ("{{ unknown.x }}", "`unknown` is not given"),
        ("{{ config.a.b }}", "there is no `a`"),
        ("{{ stream_state }}", "use `stream_interval`"),
        ("{{ config.", "line 1"),
        ("{% include 'x' %}", "not run in manifests"),
        ("{{ 1 | nothing }}", "there is no filter `nothing`"),
        ("{{ config.items_.append(1) }}", "make a copy"),
        ("{{ 'x' | hash('crc') }}", "md5, sha1"),
    ] {
        let found = fails(text);
        assert!(found.contains(said) && found.contains(&text[..8]), "{text}: {found}");
    }
}

#[test]
fn what_json_cannot_hold_stays_text() {
    for text in ["{1, 2}", "1e999", "123456789012345678901234567890", "{{ 10 ** 30 }}", "b'x'"] {
        assert!(render(text, &json!({})).unwrap().is_string(), "{text}");
    }
    assert_eq!(
        render("{{ 10 ** 30 }}", &json!({})).unwrap(),
        json!("1".to_owned() + &"0".repeat(30))
    );
}

#[test]
fn a_field_called_like_a_method_is_the_field_when_it_is_asked_for_as_one() {
    let config = json!({ "items": 5 });
    assert_eq!(render("{{ config['items'] }}", &config).unwrap(), json!(5));
    assert_eq!(render("{{ config['keys'] is callable }}", &config).unwrap(), json!(true));
    assert_eq!(render("{{ config.items is callable }}", &config).unwrap(), json!(true));
}

#[test]
fn paths_and_the_interpreter_agree() {
    let config = json!({
        "a": { "b": [1, { "c": null }], "items": 1 }, "n": null, "s": "007", "t": "[1]", "e": "",
        "list": [], "i": 3, "f": 1.0,
    });
    for path in [
        "config.a",
        "config.a.b",
        "config.a.b[1].c",
        "config.a['b'][0]",
        "config['a'].b[-1]",
        "config.n",
        "config.n.x",
        "config.s",
        "config.t",
        "config.e",
        "config.list",
        "config.i",
        "config.f",
        "config.x",
        "config.x.y",
        "config.get('a', {}).get('b')",
        "config.i.x",
        "config.get('x', {}).get('y')",
        "config.get('x', [])[0]",
        "config.s.x",
        "config.list[0]",
        "config.get('n').x",
        "config.a.b.c",
        "config.a.items",
        "config",
        "config.n.get('x')",
    ] {
        // A comment makes the text more than a plain path.
        let plain = render(&format!("{{{{ {path} }}}}"), &config);
        let whole =
            render(&format!("{{{{ {path} }}}}{{# #}}{{% if true %}}{{% endif %}}"), &config);
        match (plain, whole) {
            (Ok(plain), Ok(whole)) => assert_eq!(plain, whole, "{path}"),
            (Err(_), Err(_)) => {}
            (plain, whole) => panic!("{path}: {plain:?}, {whole:?}"),
        }
    }
}

#[test]
fn hostile_texts_end_soon() {
    let config = json!({ "list": (0..1000).collect::<Vec<_>>(), "text": "a".repeat(100_000) });
    let mut nested = String::from("{{ ");
    let _ = write!(nested, "{}1{} }}}}", "(".repeat(500), ")".repeat(500));
    let loops = "{% for a in config.list %}".repeat(4) + "x" + &"{% endfor %}".repeat(4);
    let texts = [
        nested,
        loops,
        "{{ 'a' * 10 ** 12 }}".to_owned(),
        "{{ [0] * 10 ** 9 }}".to_owned(),
        "{{ 9 ** 9 ** 9 ** 9 }}".to_owned(),
        "{{ '%1000000000d' % 1 }}".to_owned(),
        "{{ '{:>1000000000}'.format(1) }}".to_owned(),
        "{{ 'x'.center(10 ** 12) }}".to_owned(),
        "{{ 'x'.zfill(10 ** 12) }}".to_owned(),
        "{{ config.text.replace('a', config.text) }}".to_owned(),
        "{{ config.text | replace('', config.text) }}".to_owned(),
        "{{ ('a' * 40 ~ 'b') | regex_search('(a+)+$') }}".to_owned() + "{{ 1 / 0 }}",
        "{% set l = [] %}{% set _ = l.append(l) %}{{ l }}".to_owned(),
        "{% set l = [1] %}{% for i in config.list %}{% set l = l + l %}{% endfor %}".to_owned()
            + "{% set n = namespace(l=[1]) %}{% for i in config.list %}{% set n.l = n.l + n.l %}"
            + "{% endfor %}",
        "{% set n = namespace(t='aaaaaaaa') %}{% for i in config.list %}{% set n.t = n.t ~ n.t %}"
            .to_owned()
            + "{% endfor %}",
        "{{ not ".to_owned() + &"not ".repeat(5000) + "x }}",
        "{{ ".to_owned() + &"-".repeat(5000) + "1 }}",
        "{{ ".to_owned() + &"[".repeat(5000) + " }}",
        "{% if true %}".repeat(3000),
        "{{ 1 if 1 else ".to_owned() + &"1 if 0 else ".repeat(5000) + "1 }}",
        "{{ config.list | map('string') | map('hash') | join | batch(1) | list | slice(99999999) }}"
            .to_owned(),
    ];
    for text in texts {
        let begun = std::time::Instant::now();
        let found = render(&text, &config);
        assert!(found.is_err(), "{}", &text[..60.min(text.len())]);
        let within = std::time::Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 2 });
        assert!(begun.elapsed() < within, "{}", &text[..60.min(text.len())]);
    }
}

#[test]
fn what_a_text_reads_is_known() {
    let reads = |text: &str| {
        let template = Template::compile(text, &Parameters::default()).unwrap();
        template.reads(Variable::PageSize)
    };
    assert!(reads("{{ config.a if false else page_size }}"));
    assert!(!reads("{% set page_size = 1 %}{{ page_size }} {{ config.page_size }}"));
}

#[test]
fn long_chains_are_no_nesting() {
    let sum = "{{ 0".to_owned() + &" + 1".repeat(5000) + " }}";
    assert_eq!(render(&sum, &json!({})).unwrap(), json!(5000));
    let filters = "{{ 'a'".to_owned() + &" | upper".repeat(3000) + " }}";
    assert_eq!(render(&filters, &json!({})).unwrap(), json!("A"));
}

#[test]
fn conditions_and_types_of_plain_texts() {
    let env = env();
    let config = json!({});
    let scope = Scope::new(&env, &config).with_int(Variable::LastPageSize, 0);
    let holds = |text| Condition::compile(text, &Parameters::default()).unwrap().holds(&scope);
    assert!(!holds("{{ last_page_size }}").unwrap());
    assert!(holds("{{ last_page_size == 0 }}").unwrap());
    assert!(Condition::always(true).holds(&scope).unwrap());
    let only = |text, types| {
        Template::compile(text, &Parameters::default()).unwrap().only(types).render(&scope).unwrap()
    };
    assert_eq!(only("12", Types::STR), json!("12"));
    assert_eq!(only("12", Types::INT), json!(12));
}

/// Pieces from which chance makes texts that are nearly right.
const PIECES: [&str; 60] = [
    "{{ ",
    " }}",
    "{% ",
    " %}",
    "{# ",
    " #}",
    "config",
    ".a",
    "['b']",
    "[0]",
    "[1:]",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "'x'",
    "\"y\"",
    "1",
    "2.5",
    "none",
    "true",
    " + ",
    " - ",
    " * ",
    " / ",
    " ** ",
    " % ",
    " ~ ",
    " == ",
    " < ",
    " in ",
    " is ",
    " not ",
    " and ",
    " if ",
    " else ",
    " for x in ",
    "endfor",
    "set x = ",
    "endif",
    " | ",
    "join",
    "map('int')",
    "int",
    "sort",
    "default('d')",
    "now_utc()",
    "duration('P1M')",
    ".strftime('%Y')",
    ".split(',')",
    ".get('a')",
    ",",
    ":",
    "=",
    "format_datetime(",
    "'%s'",
    "\n",
    "é",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}") {
        let _ = render(&text, &json!({ "a": [1, "x", null] }));
        let _ = render(&format!("{{{{ {text} }}}}"), &json!({ "a": [1, "x", null] }));
    }

    #[test]
    fn no_mixture_of_jinja_makes_it_panic(
        picks in proptest::collection::vec(0..PIECES.len(), 1..30)
    ) {
        let text: String = picks.iter().map(|pick| PIECES[*pick]).collect();
        let config = json!({ "a": { "b": [1, 2.5, "1,2", null] }, "n": -1 });
        let _ = render(&text, &config);
        let _ = render(&format!("{{{{ {text} }}}}"), &config);
    }

    #[test]
    fn what_is_printed_reads_back(value in json_value()) {
        // A mapping or a list goes through its print and the literals of Python unharmed.
        let config = json!({ "v": [value] });
        let direct = render("{{ config.v }}", &config).unwrap();
        let printed = render("{{ config.v }}{% if true %}{% endif %}", &config).unwrap();
        prop_assert_eq!(&direct, &config["v"]);
        prop_assert_eq!(direct, printed);
    }

    #[test]
    fn no_datetime_makes_it_panic(
        text in "[0-9A-Za-z:+. -]{0,30}", format in "[%a-zA-Z_: -]{0,20}"
    ) {
        let format = super::datetime::DatetimeFormat::new(&format);
        if let Ok(moment) = format.parse(&text) {
            let _ = format.format(&moment);
        }
        let _ = super::datetime::Span::parse(&text);
        let _ = super::datetime::Moment::parse_iso(&text);
    }

    #[test]
    fn every_moment_survives_its_formats(
        micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000
    ) {
        let moment = super::datetime::Moment::of(Timestamp(micros));
        prop_assert_eq!(moment.timestamp(), Timestamp(micros));
        for format in ["%Y-%m-%dT%H:%M:%S.%f%z", "%Y %j %H %M %S %f"] {
            // Years before 1000 have fewer digits, which are not read.
            if micros > -30_610_224_000_000_000 {
                let format = super::datetime::DatetimeFormat::new(format);
                let again = format.parse(&format.format(&moment)).unwrap();
                prop_assert_eq!(again.timestamp(), Timestamp(micros));
            }
        }
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[\\x00-\\x7f]{0,6}".prop_filter("no zero", |t| !t.contains('\0')).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("\\PC{0,6}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
