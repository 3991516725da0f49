//! Statements of a text.

use std::{cell::RefCell, rc::Rc};

use super::{
    super::{
        program::Fault,
        syntax::tree::{Expr, For, Stmt, Target},
        values::{self, Absent, Shower, Val},
    },
    Arguments, Done, Interp,
};

/// What `loop` tells of the item at hand.
#[derive(Debug)]
pub(in super::super) struct Loop<'a> {
    pub length: usize,
    at: usize,
    items: Rc<[Val<'a>]>,
    changed: Rc<RefCell<Option<Vec<Val<'a>>>>>,
}

impl<'a> Loop<'a> {
    pub fn attribute(&self, name: &str) -> Option<Val<'a>> {
        let int = |int: usize| Some(Val::Int(i128::try_from(int).unwrap_or(i128::MAX)));
        let neighbour = |at: Option<usize>, what: &'static str| {
            let found = at.and_then(|at| self.items.get(at)).cloned();
            Some(found.unwrap_or(Val::Undefined(Absent::Other(what))))
        };
        match name {
            "index" => int(self.at + 1),
            "index0" => int(self.at),
            "revindex" => int(self.length - self.at),
            "revindex0" => int(self.length - self.at - 1),
            "first" => Some(Val::Bool(self.at == 0)),
            "last" => Some(Val::Bool(self.at + 1 == self.length)),
            "length" => int(self.length),
            "depth" => int(1),
            "depth0" => int(0),
            "previtem" => neighbour(self.at.checked_sub(1), "there is no previous item"),
            "nextitem" => neighbour(self.at.checked_add(1), "there is no next item"),
            _ => None,
        }
    }

    /// `loop.cycle(a, b)` and `loop.changed(value)`
    pub fn call(&self, method: &str, args: Arguments<'a>) -> Done<'a> {
        if method == "cycle" {
            let count = args.positional.len().max(1);
            let found = args.positional.into_iter().nth(self.at % count);
            return found.ok_or_else(|| Fault::Type("`loop.cycle` wants values".to_owned()));
        }
        let mut before = self.changed.borrow_mut();
        let same = before.as_ref().is_some_and(|before| {
            before.len() == args.positional.len()
                && before.iter().zip(&args.positional).all(|(a, b)| values::equal(a, b))
        });
        *before = Some(args.positional);
        Ok(Val::Bool(!same))
    }
}

impl<'a> Interp<'a> {
    /// Runs statements, printing to `out`.
    pub fn run(&mut self, body: &'a [Stmt], out: &mut Shower) -> Result<(), Fault> {
        for statement in body {
            self.spend(1)?;
            match statement {
                Stmt::Text(text) => out.push(text)?,
                Stmt::Print(expr) => {
                    let value = self.eval(expr)?;
                    self.spend_on(&value)?;
                    out.str(&value)?;
                }
                Stmt::Set(target, expr) => {
                    let value = self.eval(expr)?;
                    self.assign(target, value)?;
                }
                Stmt::SetBlock(target, filters, body) => {
                    let value = self.captured(filters, body)?;
                    self.assign(target, value)?;
                }
                Stmt::FilterBlock(filters, body) => {
                    let value = self.captured(filters, body)?;
                    out.str(&value)?;
                }
                Stmt::If(branches, otherwise) => {
                    let mut chosen = otherwise;
                    for (test, body) in branches {
                        if self.eval(test)?.is_true() {
                            chosen = body;
                            break;
                        }
                    }
                    self.run(chosen, out)?;
                }
                Stmt::For(each) => self.each(each, out)?,
                Stmt::With(pairs, body) => {
                    let mut bound = Vec::with_capacity(pairs.len());
                    for (target, expr) in pairs {
                        bound.push((target, self.eval(expr)?));
                    }
                    self.framed(|interp| {
                        for (target, value) in bound {
                            interp.assign(target, value)?;
                        }
                        interp.run(body, out)
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Runs something in a frame of its own.
    fn framed<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        let outer = std::mem::replace(&mut self.frame, self.locals.len());
        let done = run(self);
        self.locals.truncate(self.frame);
        self.frame = outer;
        done
    }

    /// What a block prints, through its filters.
    fn captured(&mut self, filters: &'a Expr, body: &'a [Stmt]) -> Done<'a> {
        let mut inner = Shower::default();
        self.framed(|interp| interp.run(body, &mut inner))?;
        let outer = std::mem::replace(&mut self.body, Val::text(inner.into_text()));
        let value = self.eval(filters);
        self.body = outer;
        value
    }

    fn each(&mut self, each: &'a For, out: &mut Shower) -> Result<(), Fault> {
        let found = self.eval(&each.items)?;
        let mut items = found.items()?;
        self.spend(items.len())?;
        if let Some(test) = &each.test {
            let mut kept = Vec::with_capacity(items.len());
            for item in items {
                let holds = self.framed(|interp| {
                    interp.assign(&each.target, item.clone())?;
                    Ok(interp.eval(test)?.is_true())
                })?;
                if holds {
                    kept.push(item);
                }
            }
            items = kept;
        }
        if items.is_empty() {
            return self.framed(|interp| interp.run(&each.otherwise, out));
        }
        let items: Rc<[Val<'a>]> = Rc::from(items);
        let changed = Rc::new(RefCell::new(None));
        for at in 0..items.len() {
            let state = Loop {
                length: items.len(),
                at,
                items: Rc::clone(&items),
                changed: Rc::clone(&changed),
            };
            self.framed(|interp| {
                interp.locals.push(("loop", Val::Loop(Rc::new(state))));
                interp.assign(&each.target, items[at].clone())?;
                interp.run(&each.body, out)
            })?;
        }
        Ok(())
    }

    fn assign(&mut self, target: &'a Target, value: Val<'a>) -> Result<(), Fault> {
        match target {
            Target::Name(name) => {
                let frame = self.locals.get_mut(self.frame..).unwrap_or_default();
                match frame.iter_mut().find(|(local, _)| **local == **name) {
                    Some(local) => local.1 = value,
                    None => self.locals.push((name, value)),
                }
            }
            Target::Member(name, member) => {
                let Val::Namespace(dict) = self.name(name) else {
                    let what =
                        format!("only a `namespace()` takes attributes; `{}` is none", name.text);
                    return Err(Fault::Failed(what));
                };
                let key = Val::Str(values::Str::Lent(member));
                super::super::methods::refuse_cycle(&Val::Namespace(Rc::clone(&dict)), &value)?;
                dict.borrow_mut().insert(key, value);
            }
            Target::Tuple(targets) => {
                let items = value.items()?;
                if items.len() != targets.len() {
                    let what =
                        format!("{} values do not go into {} names", items.len(), targets.len());
                    return Err(Fault::Failed(what));
                }
                for (target, item) in targets.iter().zip(items) {
                    self.assign(target, item)?;
                }
            }
        }
        Ok(())
    }
}
