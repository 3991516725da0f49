//! The interpreter: a tree, a scope, and a bound on what it may cost.

mod arguments;
mod functions;
mod statements;

use std::{cell::Cell, rc::Rc};

use jiff::tz::TimeZone;
use serde_json::Value;

pub(super) use self::{
    arguments::{Arguments, flag, int, text as argument_text},
    functions::{Function, Global, pairs_of, quote},
    statements::Loop,
};
use super::{
    MAX_STEPS, Scope,
    datetime::Moment,
    program::Fault,
    syntax::tree::{Args, Cmp, Expr, Name, Step},
    values::{self, Absent, Shower, Str, Val},
};

pub(super) type Done<'a> = Result<Val<'a>, Fault>;

/// One evaluation.
pub(super) struct Interp<'a> {
    scope: &'a Scope<'a>,
    parameters: &'a Value,
    /// Names the text set, frame after frame; the newest of a name counts.
    locals: Vec<(&'a str, Val<'a>)>,
    /// Where the innermost frame begins.
    frame: usize,
    /// What the innermost block made, for its filters.
    body: Val<'a>,
    steps: Cell<u64>,
}

impl<'a> Interp<'a> {
    pub fn new(scope: &'a Scope<'a>, parameters: &'a Value) -> Self {
        let (locals, steps) = (Vec::new(), Cell::new(0));
        Self { scope, parameters, locals, frame: 0, body: Val::None, steps }
    }

    /// Counts work; a fault when it is too much.
    pub fn spend(&self, steps: usize) -> Result<(), Fault> {
        let spent = self.steps.get().saturating_add(u64::try_from(steps).unwrap_or(u64::MAX));
        self.steps.set(spent);
        if spent > MAX_STEPS {
            let what = format!("it takes more than {MAX_STEPS} steps; simplify it");
            return Err(Fault::Failed(what));
        }
        Ok(())
    }

    /// Counts the work of going through a value once.
    pub fn spend_on(&self, value: &Val<'a>) -> Result<(), Fault> {
        match value {
            Val::Str(text) => self.spend(text.len() / 16 + 1),
            Val::Stream(items) => self.spend(items.borrow().len()),
            other => self.spend(other.length().unwrap_or(1)),
        }
    }

    pub fn now(&self) -> Moment {
        Moment::of(self.scope.env().now())
    }

    pub fn random(&self) -> [u8; 16] {
        self.scope.env().random()
    }

    pub fn today_in(&self, zone: &TimeZone) -> jiff::civil::Date {
        zone.to_datetime(self.scope.env().now().to_jiff()).date()
    }

    pub fn eval(&self, expr: &'a Expr) -> Done<'a> {
        self.spend(1)?;
        Ok(match expr {
            Expr::None => Val::None,
            Expr::Bool(flag) => Val::Bool(*flag),
            Expr::Int(int) => Val::Int(*int),
            Expr::Float(float) => Val::Float(*float),
            Expr::Str(text) => Val::Str(Str::Lent(text)),
            Expr::Name(name) => self.name(name),
            Expr::Body => self.body.clone(),
            Expr::Postfix(inner, steps) => return self.postfix(inner, steps),
            Expr::Chain(first, rest) => {
                let mut value = self.eval(first)?;
                for (op, operand) in rest {
                    let operand = self.eval(operand)?;
                    self.spend_on(&value)?;
                    value = values::binary(*op, &value, &operand)?;
                }
                value
            }
            Expr::Compare(first, rest) => return self.compare(first, rest),
            Expr::All(items) => return self.first(items, false),
            Expr::Any(items) => return self.first(items, true),
            Expr::Concat(items) => {
                let mut shower = Shower::default();
                for item in items {
                    let value = self.eval(item)?;
                    self.spend_on(&value)?;
                    shower.str(&value)?;
                }
                Val::text(shower.into_text())
            }
            Expr::Not(inner) => Val::Bool(!self.eval(inner)?.is_true()),
            Expr::Neg(inner) => values::negate(&self.eval(inner)?)?,
            Expr::Pos(inner) => {
                let value = self.eval(inner)?;
                values::negate(&value)?;
                value
            }
            Expr::Cond(cond) => match (self.eval(&cond.test)?.is_true(), &cond.otherwise) {
                (true, _) => return self.eval(&cond.then),
                (false, Some(otherwise)) => return self.eval(otherwise),
                (false, None) => {
                    Val::Undefined(Absent::Other("the condition is false and has no `else`"))
                }
            },
            Expr::List(items) => Val::list(self.all(items)?),
            Expr::Tuple(items) => Val::tuple(self.all(items)?),
            Expr::Dict(pairs) => {
                let mut dict = values::Dict::default();
                for (key, value) in pairs {
                    let (key, value) = (self.eval(key)?, self.eval(value)?);
                    key.as_key()?;
                    self.spend(dict.pairs.len() / 8)?;
                    dict.insert(key, value);
                }
                Val::dict(dict.pairs)
            }
        })
    }

    fn all(&self, items: &'a [Expr]) -> Result<Vec<Val<'a>>, Fault> {
        items.iter().map(|item| self.eval(item)).collect()
    }

    /// What a name stands for.
    pub fn name(&self, name: &'a Name) -> Val<'a> {
        let local = self.locals.iter().rev().find(|(local, _)| **local == *name.text);
        if let Some((_, value)) = local {
            return value.clone();
        }
        self.given(name).unwrap_or(Val::Undefined(Absent::Name(&name.text)))
    }

    /// What stands behind a name outside the text.
    pub fn given(&self, name: &Name) -> Option<Val<'a>> {
        if let Some(variable) = name.variable {
            if let Some(given) = self.scope.get(variable) {
                return Some(Val::of_given(given, self.scope));
            }
            if variable == super::Variable::Parameters {
                return Some(Val::of_json(self.parameters));
            }
        }
        if let Some(field) = self.scope.extra(&name.text) {
            return Some(Val::of_json(field));
        }
        name.global.map(|global| Val::Function(Function::Global(global)))
    }

    /// `and` and `or` give the value that decides.
    fn first(&self, items: &'a [Expr], truth: bool) -> Done<'a> {
        let mut value = Val::Bool(!truth);
        for item in items {
            value = self.eval(item)?;
            if value.is_true() == truth {
                break;
            }
        }
        Ok(value)
    }

    fn compare(&self, first: &'a Expr, rest: &'a [(Cmp, Expr)]) -> Done<'a> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let mut left = self.eval(first)?;
        for (cmp, right) in rest {
            let right = self.eval(right)?;
            self.spend_on(if matches!(cmp, Cmp::In | Cmp::NotIn) { &right } else { &left })?;
            let holds = match cmp {
                Cmp::Eq => values::equal(&left, &right),
                Cmp::Ne => !values::equal(&left, &right),
                Cmp::In => values::contains(&right, &left)?,
                Cmp::NotIn => !values::contains(&right, &left)?,
                Cmp::Lt => values::order(&left, &right)? == Some(Less),
                Cmp::Le => matches!(values::order(&left, &right)?, Some(Less | Equal)),
                Cmp::Gt => values::order(&left, &right)? == Some(Greater),
                Cmp::Ge => matches!(values::order(&left, &right)?, Some(Greater | Equal)),
            };
            if !holds {
                return Ok(Val::Bool(false));
            }
            left = right;
        }
        Ok(Val::Bool(true))
    }

    fn postfix(&self, inner: &'a Expr, steps: &'a [Step]) -> Done<'a> {
        let mut value = self.eval(inner)?;
        let mut steps = steps.iter().peekable();
        while let Some(step) = steps.next() {
            self.spend(1)?;
            value = match step {
                Step::Attr(name) => {
                    // A method that is called at once needs no value of its own.
                    if let Some(Step::Call(args)) = steps.peek()
                        && let Some(method) = values::method_of(&value, name)
                    {
                        steps.next();
                        self.method(&value, method, self.arguments(args)?)?
                    } else {
                        values::attribute(&value, Str::Lent(name))?
                    }
                }
                Step::Item(key) => values::item(&value, &self.eval(key)?)?,
                Step::Slice(bounds) => {
                    let mut found = [None, None, None];
                    for (bound, expr) in found.iter_mut().zip(bounds.iter()) {
                        *bound = expr.as_ref().map(|expr| self.eval(expr)).transpose()?;
                    }
                    self.spend_on(&value)?;
                    values::slice(&value, &found)?
                }
                Step::Call(args) => self.call(&value, self.arguments(args)?)?,
                Step::Filter(filter, args) => self.filter(*filter, value, self.arguments(args)?)?,
                Step::Test(check, args) => {
                    Val::Bool(self.check(*check, &value, self.arguments(args)?)?)
                }
            };
        }
        Ok(value)
    }

    fn arguments(&self, args: &'a Args) -> Result<Arguments<'a>, Fault> {
        let mut arguments = Arguments::default();
        for expr in &args.positional {
            arguments.positional.push(self.eval(expr)?);
        }
        for (name, expr) in &args.named {
            arguments.named.push((Str::Lent(name), self.eval(expr)?));
        }
        if let Some(rest) = &args.rest {
            let rest = self.eval(rest)?;
            self.spend_on(&rest)?;
            arguments.positional.extend(rest.items()?);
        }
        if let Some(rest) = &args.named_rest {
            let rest = self.eval(rest)?;
            rest.defined()?;
            let Some(pairs) = rest.pairs() else {
                return Err(Fault::Type("`**` wants a mapping".to_owned()));
            };
            for (name, value) in pairs {
                let Val::Str(name) = name else {
                    return Err(Fault::Type("names of arguments are texts".to_owned()));
                };
                arguments.named.push((name, value));
            }
        }
        Ok(arguments)
    }

    /// Calls a value.
    pub fn call(&self, callee: &Val<'a>, args: Arguments<'a>) -> Done<'a> {
        callee.defined()?;
        match callee {
            Val::Function(Function::Method(owner, method)) => {
                self.method(&Rc::clone(owner), method, args)
            }
            Val::Function(Function::Global(global)) => self.global(*global, args),
            Val::Function(Function::JsonLoads) => {
                let [text] = args.exactly(["s"])?;
                let text = text.as_str().ok_or_else(|| wrong_type("json_loads", &text))?;
                let parsed = serde_json::from_str(text).map(Val::own_json);
                parsed.map_err(|error| Fault::Failed(format!("it is not JSON: {error}")))
            }
            other => Err(Fault::Type(format!("a value of type {} cannot be called", other.kind()))),
        }
    }
}

/// The fault of an argument of the wrong type; undefined ones are undefined first.
pub(super) fn wrong_type(what: &str, value: &Val<'_>) -> Fault {
    Fault::Type(format!("`{what}` does not take a value of type {}", value.kind()))
}

/// `str()` of a value.
pub(super) fn text_of(value: &Val<'_>) -> Result<String, Fault> {
    Shower::text(value)
}
