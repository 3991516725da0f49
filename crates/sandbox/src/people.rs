//! Invented people and companies: plausible, mixed, and never anyone's address.

use crate::random::Random;

/// Domains reserved for examples; no mail to them reaches anybody.
pub(crate) const DOMAINS: [&str; 3] = ["example.com", "example.org", "example.net"];

const FIRST: &[&str] = &[
    "Aïcha", "Amadou", "Aminata", "Awa", "Boubacar", "Chidi", "Chloé", "Claire", "Daniel", "David",
    "Emma", "Émile", "Fatou", "Femi", "Grace", "Hélène", "Ibrahima", "Inès", "Jabari", "James",
    "Julien", "Kofi", "Kwame", "Léa", "Lindiwe", "Louis", "Mariama", "Mathieu", "Moussa", "Naledi",
    "Ngozi", "Nicolas", "Nia", "Olivia", "Oumar", "Pauline", "Rachel", "Samuel", "Sékou", "Sophie",
    "Tendai", "Thandiwe", "Thomas", "Wangari", "William", "Yacine", "Yao", "Zainab", "Zola", "Zoé",
];

const LAST: &[&str] = &[
    "Adeyemi",
    "Bah",
    "Baker",
    "Barry",
    "Bernard",
    "Camara",
    "Cissé",
    "Clarke",
    "Coulibaly",
    "Dembélé",
    "Diallo",
    "Diop",
    "Dubois",
    "Dupont",
    "Eze",
    "Fall",
    "Fofana",
    "Garnier",
    "Gueye",
    "Harris",
    "Hughes",
    "Kamau",
    "Keita",
    "Khumalo",
    "Koné",
    "Laurent",
    "Lefèvre",
    "Mbeki",
    "Mensah",
    "Moreau",
    "Morgan",
    "Mwangi",
    "Ndiaye",
    "Ndlovu",
    "Nguessan",
    "Nkosi",
    "Okafor",
    "Okoro",
    "Osei",
    "Ouattara",
    "Owusu",
    "Petit",
    "Robert",
    "Roux",
    "Sarr",
    "Sow",
    "Sylla",
    "Traoré",
    "Walker",
    "Wright",
];

const JOBS: &[&str] = &[
    "Founder",
    "Managing Director",
    "Head of Sales",
    "Marketing Manager",
    "Operations Lead",
    "Finance Director",
    "Product Manager",
    "Directrice commerciale",
    "Responsable marketing",
    "Chargé de clientèle",
    "Buyer",
    "Office Manager",
    "Software Engineer",
    "Consultant",
];

const COMPANY_HEADS: &[&str] = &[
    "Baobab",
    "Sahel",
    "Atlas",
    "Kora",
    "Lumière",
    "Savane",
    "Teranga",
    "Harbour",
    "Northgate",
    "Kilima",
    "Zambezi",
    "Rivage",
    "Orchard",
    "Mosaïque",
    "Volta",
    "Cardinal",
    "Acacia",
    "Azur",
];

const COMPANY_TAILS: &[&str] = &[
    "Logistics",
    "Studio",
    "Conseil",
    "Foods",
    "Énergie",
    "Textiles",
    "Media",
    "Santé",
    "Learning",
    "Habitat",
    "Finance",
    "Digital",
];

const INDUSTRIES: &[&str] = &[
    "LOGISTICS_AND_SUPPLY_CHAIN",
    "DESIGN",
    "MANAGEMENT_CONSULTING",
    "FOOD_PRODUCTION",
    "RENEWABLES_ENVIRONMENT",
    "TEXTILES",
    "ONLINE_MEDIA",
    "HOSPITAL_HEALTH_CARE",
    "E_LEARNING",
    "CONSTRUCTION",
    "FINANCIAL_SERVICES",
    "COMPUTER_SOFTWARE",
];

/// Cities with their country and its calling code.
const PLACES: &[(&str, &str, &str)] = &[
    ("Dakar", "Senegal", "221"),
    ("Abidjan", "Côte d'Ivoire", "225"),
    ("Accra", "Ghana", "233"),
    ("Lagos", "Nigeria", "234"),
    ("Nairobi", "Kenya", "254"),
    ("Johannesburg", "South Africa", "27"),
    ("Casablanca", "Morocco", "212"),
    ("Bamako", "Mali", "223"),
    ("Conakry", "Guinea", "224"),
    ("Paris", "France", "33"),
    ("Lyon", "France", "33"),
    ("Bruxelles", "Belgium", "32"),
    ("London", "United Kingdom", "44"),
    ("Montréal", "Canada", "1"),
    ("Kigali", "Rwanda", "250"),
];

pub(crate) struct Person {
    pub first: &'static str,
    pub last: &'static str,
    pub email: String,
    pub phone: String,
    pub job: &'static str,
    pub city: &'static str,
    pub country: &'static str,
}

pub(crate) struct Business {
    pub name: String,
    pub domain: String,
    pub industry: &'static str,
    pub phone: String,
    pub city: &'static str,
    pub country: &'static str,
}

/// Person number `index`; the number keeps addresses unique.
pub(crate) fn person(random: &mut Random, index: u32) -> Person {
    let (first, last) = (random.pick(FIRST), random.pick(LAST));
    let (city, country, code) = place(random);
    Person {
        first,
        last,
        email: format!("{}.{}{index}@{}", ascii(first), ascii(last), random.pick(&DOMAINS)),
        phone: phone(random, code),
        job: random.pick(JOBS),
        city,
        country,
    }
}

/// Company number `index`; the number keeps domains unique.
pub(crate) fn business(random: &mut Random, index: u32) -> Business {
    let (head, tail) = (random.pick(COMPANY_HEADS), random.pick(COMPANY_TAILS));
    let (city, country, code) = place(random);
    let domain = random.pick(&DOMAINS);
    Business {
        name: format!("{head} {tail} {city}"),
        domain: format!("{}-{}{index}.{domain}", ascii(head), ascii(tail)),
        industry: random.pick(INDUSTRIES),
        phone: phone(random, code),
        city,
        country,
    }
}

fn place(random: &mut Random) -> (&'static str, &'static str, &'static str) {
    let index = usize::try_from(random.below(15)).unwrap_or(0);
    PLACES.get(index).copied().unwrap_or(("Dakar", "Senegal", "221"))
}

/// 555 numbers: no country gives them out.
fn phone(random: &mut Random, code: &str) -> String {
    format!("+{code} 555 {:03} {:03}", random.below(1_000), random.below(1_000))
}

/// Lower-case ASCII letters of a name, as an address would hold it.
fn ascii(name: &str) -> String {
    name.chars()
        .flat_map(char::to_lowercase)
        .filter_map(|letter| match letter {
            'à' | 'â' | 'ä' => Some('a'),
            'é' | 'è' | 'ê' | 'ë' => Some('e'),
            'ï' | 'î' => Some('i'),
            'ô' | 'ö' => Some('o'),
            'ù' | 'û' => Some('u'),
            'ç' => Some('c'),
            'a'..='z' => Some(letter),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn addresses_are_unique_ascii_and_reserved() {
        let mut random = Random::new(1, 1);
        let people: Vec<_> = (0..2_000).map(|index| person(&mut random, index)).collect();
        let unique: HashSet<_> = people.iter().map(|p| p.email.as_str()).collect();
        assert_eq!(unique.len(), people.len());
        for Person { email, .. } in &people {
            assert!(email.is_ascii() && DOMAINS.iter().any(|d| email.ends_with(d)), "{email}");
            assert!(!email.starts_with('.'), "{email}");
        }
    }

    #[test]
    fn every_place_can_be_drawn() {
        assert_eq!(PLACES.len(), 15);
    }
}
