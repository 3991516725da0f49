//! Filters that look at the items of a value.

use std::cmp::Ordering;

use super::{
    super::{
        program::Fault,
        run::{Arguments, Done, Interp, flag, int, text_of},
        syntax::tree::Op,
        values::{self, Absent, Shower, Str, Val},
    },
    Filter,
    select::Getter,
};

/// Most groups or items a filter fills up.
const MAX_FILL: usize = 100_000;

impl<'a> Interp<'a> {
    pub(super) fn list_filter(
        &self,
        filter: Filter,
        value: Val<'a>,
        args: Arguments<'a>,
    ) -> Done<'a> {
        match filter {
            Filter::Default => {
                let [usual, boolean] = args.bind(["default_value", "boolean"])?;
                let absent = matches!(value, Val::Undefined(_));
                if absent || (flag(boolean.as_ref()) && !value.is_true()) {
                    return Ok(usual.unwrap_or(Val::Str(Str::Lent(""))));
                }
                Ok(value)
            }
            Filter::Attr => {
                let [name] = args.exactly(["name"])?;
                value.defined()?;
                let name = Str::Own(text_of(&name)?.into());
                match values::method_of(&value, &name) {
                    Some(_) => values::attribute(&value, name),
                    None => Ok(Val::missing(value.kind(), name)),
                }
            }
            Filter::First | Filter::Last => one(filter, &value, args),
            Filter::Length => {
                args.none()?;
                let length = value.length().and_then(|length| i128::try_from(length).ok());
                let kind = value.kind();
                length
                    .map(Val::Int)
                    .ok_or_else(|| Fault::Type(format!("a value of type {kind} has no length")))
            }
            Filter::List => {
                args.none()?;
                Ok(Val::list(value.items()?))
            }
            Filter::Items => pairs(&value, args),
            Filter::Reverse => reversed(&value, args),
            Filter::Join => join(&value, args),
            Filter::Sum => sum(&value, args),
            Filter::Random => {
                args.none()?;
                let items = value.items()?;
                let chance = u128::from_le_bytes(self.random());
                let count = u128::try_from(items.len().max(1)).unwrap_or(1);
                let at = usize::try_from(chance % count).unwrap_or(0);
                let found = items.into_iter().nth(at);
                Ok(found.unwrap_or(Val::Undefined(Absent::Other("there is no item to choose"))))
            }
            Filter::Batch | Filter::Slice => parts(filter, &value, args),
            Filter::Min | Filter::Max => self.extreme_item(filter, &value, args),
            Filter::Unique => self.unique(&value, args),
            Filter::Sort => self.sorted(&value, args),
            Filter::DictSort => self.sorted_dict(&value, args),
            _ => self.grouped(&value, args),
        }
    }

    fn extreme_item(&self, filter: Filter, value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
        let [cased, attribute] = args.bind(["case_sensitive", "attribute"])?;
        let keyed = keyed(value, attribute.as_ref(), flag(cased.as_ref()))?;
        self.spend(keyed.len())?;
        let wanted = if filter == Filter::Max { Ordering::Greater } else { Ordering::Less };
        let mut best: Option<(Val<'a>, Val<'a>)> = None;
        for (key, item) in keyed {
            let better = match &best {
                None => true,
                Some((found, _)) => values::order(&key, found)? == Some(wanted),
            };
            if better {
                best = Some((key, item));
            }
        }
        let none = Val::Undefined(Absent::Other("there is no item to choose"));
        Ok(best.map_or(none, |(_, item)| item))
    }

    fn unique(&self, value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
        let [cased, attribute] = args.bind(["case_sensitive", "attribute"])?;
        let (mut seen, mut kept) = (Vec::new(), Vec::new());
        for (key, item) in keyed(value, attribute.as_ref(), flag(cased.as_ref()))? {
            key.as_key()?;
            self.spend(seen.len() / 8 + 1)?;
            if !seen.iter().any(|found| values::equal(found, &key)) {
                seen.push(key);
                kept.push(item);
            }
        }
        Ok(Val::stream(kept))
    }

    fn sorted(&self, value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
        let [reverse, cased, attribute] = args.bind(["reverse", "case_sensitive", "attribute"])?;
        let keyed = match attribute.as_ref().and_then(Val::as_str) {
            // Several attributes, the first of them first.
            Some(names) if names.contains(',') => {
                let names: Vec<Val<'a>> = names.split(',').map(Val::text).collect();
                let mut keyed = Vec::new();
                for item in value.items()? {
                    let mut keys = Vec::new();
                    for name in &names {
                        let key = Getter::new(name, None).get(&item)?;
                        keys.push(if flag(cased.as_ref()) { key } else { lowered(key) });
                    }
                    keyed.push((Val::list(keys), item));
                }
                keyed
            }
            _ => keyed(value, attribute.as_ref(), flag(cased.as_ref()))?,
        };
        let sorted = self.sort(keyed, flag(reverse.as_ref()))?;
        Ok(Val::list(sorted.into_iter().map(|(_, item)| item).collect()))
    }

    fn sorted_dict(&self, value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
        let [cased, by, reverse] = args.bind(["case_sensitive", "by", "reverse"])?;
        value.defined()?;
        let place = match by.as_ref().map(Val::as_str) {
            None | Some(Some("key")) => 0,
            Some(Some("value")) => 1,
            _ => return Err(Fault::Failed("`dictsort` is by key or value".to_owned())),
        };
        let Some(pairs) = value.pairs() else {
            return Err(Fault::Failed("`dictsort` wants a mapping".to_owned()));
        };
        let mut keyed = Vec::with_capacity(pairs.len());
        for (name, field) in pairs {
            let key = if place == 0 { name.clone() } else { field.clone() };
            let key = if flag(cased.as_ref()) { key } else { lowered(key) };
            keyed.push((key, Val::tuple(vec![name, field])));
        }
        let sorted = self.sort(keyed, flag(reverse.as_ref()))?;
        Ok(Val::list(sorted.into_iter().map(|(_, item)| item).collect()))
    }

    fn grouped(&self, value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
        let [attribute, usual, cased] = args.bind(["attribute", "default", "case_sensitive"])?;
        let Some(attribute) = attribute else {
            return Err(Fault::Type("`groupby` wants an attribute".to_owned()));
        };
        let getter = Getter::new(&attribute, usual.filter(|usual| !matches!(usual, Val::None)));
        let mut keyed = Vec::new();
        for item in value.items()? {
            let key = getter.get(&item)?;
            keyed.push((if flag(cased.as_ref()) { key } else { lowered(key) }, item));
        }
        let mut groups: Vec<(Val<'a>, Vec<Val<'a>>)> = Vec::new();
        for (key, item) in self.sort(keyed, false)? {
            match groups.last_mut() {
                Some((found, items)) if values::equal(found, &key) => items.push(item),
                _ => groups.push((key, vec![item])),
            }
        }
        let mut out = Vec::with_capacity(groups.len());
        for (_, items) in groups {
            // Named as the first of the group names it, whatever its case.
            let name = match items.first() {
                Some(first) => getter.get(first)?,
                None => Val::None,
            };
            out.push(Val::tuple(vec![name, Val::list(items)]));
        }
        Ok(Val::list(out))
    }

    /// Sorts by keys, equal ones in the order they came.
    fn sort(
        &self,
        mut keyed: Vec<(Val<'a>, Val<'a>)>,
        reverse: bool,
    ) -> Result<Vec<(Val<'a>, Val<'a>)>, Fault> {
        self.spend(keyed.len() * 8)?;
        let mut fault = None;
        keyed.sort_by(|(a, _), (b, _)| match values::order(a, b) {
            Ok(order) => {
                let order = order.unwrap_or(Ordering::Equal);
                if reverse { order.reverse() } else { order }
            }
            Err(found) => {
                fault.get_or_insert(found);
                Ordering::Equal
            }
        });
        fault.map_or(Ok(keyed), Err)
    }
}

/// Items beside what they are compared by; case counts only if it is said.
fn keyed<'a>(
    value: &Val<'a>,
    attribute: Option<&Val<'a>>,
    cased: bool,
) -> Result<Vec<(Val<'a>, Val<'a>)>, Fault> {
    let getter = Getter::new(attribute.unwrap_or(&Val::None), None);
    let mut keyed = Vec::new();
    for item in value.items()? {
        let key = getter.get(&item)?;
        keyed.push((if cased { key } else { lowered(key) }, item));
    }
    Ok(keyed)
}

fn lowered(key: Val<'_>) -> Val<'_> {
    match key {
        Val::Str(text) => Val::text(text.to_lowercase()),
        other => other,
    }
}

fn one<'a>(filter: Filter, value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    args.none()?;
    if let (Filter::First, Val::Stream(items)) = (filter, value) {
        let mut items = items.borrow_mut();
        return Ok(match items.is_empty() {
            true => Val::Undefined(Absent::Other("there is no first item")),
            false => items.remove(0),
        });
    }
    if matches!(value, Val::Stream(_)) {
        return Err(Fault::Type("a generator has no last item to ask for".to_owned()));
    }
    // Asking a lent list for one item does not go through the others.
    if let Val::Array(items) = value {
        let found = if filter == Filter::First { items.first() } else { items.last() };
        let none = Val::Undefined(Absent::Other("there is no such item"));
        return Ok(found.map_or(none, Val::of_json));
    }
    let mut items = value.items()?.into_iter();
    let found = if filter == Filter::First { items.next() } else { items.next_back() };
    Ok(found.unwrap_or(Val::Undefined(Absent::Other("there is no such item"))))
}

fn pairs<'a>(value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    args.none()?;
    let pairs = match value {
        Val::Undefined(_) => Vec::new(),
        other => other.pairs().ok_or_else(|| Fault::Type("`items` wants a mapping".to_owned()))?,
    };
    Ok(Val::stream(pairs.into_iter().map(|(key, value)| Val::tuple(vec![key, value])).collect()))
}

fn reversed<'a>(value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    args.none()?;
    if let Val::Str(text) = value {
        return Ok(Val::text(text.chars().rev().collect::<String>()));
    }
    let mut items = value.items().map_err(|fault| Fault::Failed(fault.what().to_owned()))?;
    items.reverse();
    Ok(match value {
        Val::Stream(_) => Val::list(items),
        _ => Val::stream(items),
    })
}

fn join<'a>(value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    let [between, attribute] = args.bind(["d", "attribute"])?;
    let between = match &between {
        None => String::new(),
        Some(between) => text_of(between)?,
    };
    let getter = Getter::new(attribute.as_ref().unwrap_or(&Val::None), None);
    let mut shower = Shower::default();
    for (position, item) in value.items()?.iter().enumerate() {
        if position > 0 {
            shower.push(&between)?;
        }
        shower.str(&getter.get(item)?)?;
    }
    Ok(Val::text(shower.into_text()))
}

fn sum<'a>(value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    let [attribute, start] = args.bind(["attribute", "start"])?;
    let mut total = start.unwrap_or(Val::Int(0));
    if matches!(total, Val::Str(_)) {
        return Err(Fault::Type("`sum` does not add texts; use `join`".to_owned()));
    }
    let getter = Getter::new(attribute.as_ref().unwrap_or(&Val::None), None);
    for item in value.items()? {
        total = values::binary(Op::Add, &total, &getter.get(&item)?)?;
    }
    Ok(total)
}

/// `batch`: so many items each; `slice`: so many lists.
fn parts<'a>(filter: Filter, value: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
    let (count, fill) = match filter {
        Filter::Batch => args.bind(["linecount", "fill_with"])?,
        _ => args.bind(["slices", "fill_with"])?,
    }
    .into();
    let count = count.ok_or_else(|| Fault::Type("a number of parts is wanted".to_owned()))?;
    let count = usize::try_from(int(Some(&count), 1)?).unwrap_or(0);
    let fill = fill.filter(|fill| !matches!(fill, Val::None));
    if count > MAX_FILL {
        return Err(Fault::Failed(format!("more than {MAX_FILL} parts are too many")));
    }
    let items = value.items()?;
    if filter == Filter::Batch {
        let mut lists = Vec::new();
        for chunk in items.chunks(count.max(1)) {
            let mut list = chunk.to_vec();
            if let Some(fill) = &fill {
                list.resize(count.max(list.len()), fill.clone());
            }
            lists.push(Val::list(list));
        }
        return Ok(Val::stream(lists));
    }
    if count == 0 {
        return Err(Fault::Failed("`slice` divides by zero".to_owned()));
    }
    let (each, longer) = (items.len() / count, items.len() % count);
    let mut rest = items.into_iter();
    let mut lists = Vec::with_capacity(count);
    for part in 0..count {
        let size = each + usize::from(part < longer);
        let mut list: Vec<Val<'a>> = rest.by_ref().take(size).collect();
        if let Some(fill) = &fill
            && part >= longer
        {
            list.push(fill.clone());
        }
        lists.push(Val::list(list));
    }
    Ok(Val::stream(lists))
}
