//! Which names a text reads that it does not set itself.
//!
//! The reference refuses a text before it renders it if one of these is not given. What counts is
//! decided by reading alone, in the order of the text: a name that only one branch of an `if` sets
//! counts as read from outside.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Args, Expr, For, Name, Step, Stmt, Target};

/// The names, each once, sorted.
pub(super) fn undeclared(body: &[Stmt]) -> Vec<Box<str>> {
    let mut found = BTreeSet::new();
    frame(&[], body, &[], &mut found);
    found.into_iter().map(Into::into).collect()
}

#[derive(Clone, Default)]
struct Frame<'t> {
    known: BTreeSet<&'t str>,
    stored: BTreeSet<&'t str>,
}

/// A body that has a scope of its own, and what is stored in it from the start.
struct Inner<'t> {
    params: Vec<&'t str>,
    exprs: Vec<&'t Expr>,
    body: &'t [Stmt],
}

struct Reader<'t, 'p> {
    outer: &'p [Frame<'t>],
    frame: Frame<'t>,
    inner: Vec<Inner<'t>>,
    found: &'p mut BTreeSet<&'t str>,
}

fn frame<'t>(
    outer: &[Frame<'t>],
    body: &'t [Stmt],
    params: &[&'t str],
    found: &mut BTreeSet<&'t str>,
) {
    let inner = Inner { params: params.to_vec(), exprs: Vec::new(), body };
    scope(outer, &inner, found);
}

fn scope<'t>(outer: &[Frame<'t>], inner: &Inner<'t>, found: &mut BTreeSet<&'t str>) {
    let mut reader = Reader { outer, frame: Frame::default(), inner: Vec::new(), found };
    for param in &inner.params {
        reader.frame.known.insert(param);
        reader.frame.stored.insert(param);
    }
    for expr in &inner.exprs {
        reader.expr(expr);
    }
    reader.body(inner.body);
    // Inner scopes see what this one knows in the end, wherever they stand in it.
    let (inners, mut frames) = (reader.inner, outer.to_vec());
    frames.push(reader.frame);
    for inner in inners {
        scope(&frames, &inner, found);
    }
}

impl<'t> Reader<'t, '_> {
    fn knows(&self, name: &str) -> bool {
        self.frame.known.contains(name) || self.outer.iter().any(|frame| frame.known.contains(name))
    }

    fn load(&mut self, name: &'t Name) {
        if !self.knows(&name.text) {
            self.frame.known.insert(&name.text);
            self.outside(&name.text, name.global.is_some());
        }
    }

    fn outside(&mut self, name: &'t str, global: bool) {
        if !global {
            self.found.insert(name);
        }
    }

    fn store(&mut self, target: &'t Target) {
        match target {
            Target::Name(name) => {
                self.frame.stored.insert(name);
                self.frame.known.insert(name);
            }
            Target::Member(name, _) => self.load(name),
            Target::Tuple(targets) => targets.iter().for_each(|target| self.store(target)),
        }
    }

    fn body(&mut self, body: &'t [Stmt]) {
        for statement in body {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &'t Stmt) {
        match statement {
            Stmt::Text(_) => {}
            Stmt::Print(expr) => self.expr(expr),
            Stmt::Set(target, expr) => {
                self.expr(expr);
                self.store(target);
            }
            Stmt::SetBlock(target, filters, body) => {
                self.store(target);
                self.expr(filters);
                self.inner.push(Inner { params: Vec::new(), exprs: Vec::new(), body });
            }
            Stmt::FilterBlock(filters, body) => {
                self.expr(filters);
                self.inner.push(Inner { params: Vec::new(), exprs: Vec::new(), body });
            }
            Stmt::If(branches, otherwise) => self.branches(branches, otherwise),
            Stmt::For(each) => self.each(each),
            Stmt::With(pairs, body) => {
                pairs.iter().for_each(|(_, value)| self.expr(value));
                let mut params = Vec::new();
                pairs.iter().for_each(|(target, _)| names_of(target, &mut params));
                self.inner.push(Inner { params, exprs: Vec::new(), body });
            }
        }
    }

    /// Three branches, as the reference counts: the first, all `elif`s, and `else`.
    fn branches(&mut self, branches: &'t [(Expr, Vec<Stmt>)], otherwise: &'t [Stmt]) {
        let Some(((test, body), elifs)) = branches.split_first() else { return };
        self.expr(test);
        let before = self.frame.clone();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut known = before.known.clone();
        let mut stored = before.stored.clone();
        for branch in 0..3 {
            self.frame = before.clone();
            match branch {
                0 => self.body(body),
                1 => self.elifs(elifs),
                _ => self.body(otherwise),
            }
            known.extend(&self.frame.known);
            stored.extend(&self.frame.stored);
            for name in self.frame.stored.difference(&before.stored) {
                *counts.entry(name).or_default() += 1;
            }
        }
        self.frame = Frame { known, stored };
        for name in counts.into_keys() {
            // Stored in a branch only: otherwise it is what is outside, if anything is.
            if !self.outer.iter().any(|frame| frame.known.contains(name)) {
                self.outside(name, super::super::run::Global::of(name).is_some());
            }
        }
    }

    fn elifs(&mut self, elifs: &'t [(Expr, Vec<Stmt>)]) {
        // Each `elif` is an `if` of its own there.
        for branch in elifs {
            self.branches(std::slice::from_ref(branch), &[]);
        }
    }

    fn each(&mut self, each: &'t For) {
        self.expr(&each.items);
        let mut params = Vec::new();
        names_of(&each.target, &mut params);
        if let Some(test) = &each.test {
            self.inner.push(Inner { params: params.clone(), exprs: vec![test], body: &[] });
        }
        params.push("loop");
        self.inner.push(Inner { params, exprs: Vec::new(), body: &each.body });
        self.inner.push(Inner { params: Vec::new(), exprs: Vec::new(), body: &each.otherwise });
    }

    fn exprs(&mut self, exprs: impl IntoIterator<Item = &'t Expr>) {
        exprs.into_iter().for_each(|expr| self.expr(expr));
    }

    fn expr(&mut self, expr: &'t Expr) {
        match expr {
            Expr::Name(name) => self.load(name),
            Expr::Postfix(inner, steps) => {
                self.expr(inner);
                steps.iter().for_each(|step| self.step(step));
            }
            Expr::Chain(first, rest) => {
                self.expr(first);
                self.exprs(rest.iter().map(|(_, expr)| expr));
            }
            Expr::Compare(first, rest) => {
                self.expr(first);
                self.exprs(rest.iter().map(|(_, expr)| expr));
            }
            Expr::All(items)
            | Expr::Any(items)
            | Expr::Concat(items)
            | Expr::List(items)
            | Expr::Tuple(items) => self.exprs(items),
            Expr::Not(inner) | Expr::Neg(inner) | Expr::Pos(inner) => self.expr(inner),
            Expr::Cond(cond) => {
                self.exprs([&cond.test, &cond.then]);
                self.exprs(&cond.otherwise);
            }
            Expr::Dict(pairs) => pairs.iter().for_each(|(key, value)| self.exprs([key, value])),
            Expr::None
            | Expr::Bool(_)
            | Expr::Int(_)
            | Expr::Float(_)
            | Expr::Str(_)
            | Expr::Body => {}
        }
    }

    fn step(&mut self, step: &'t Step) {
        match step {
            Step::Attr(_) => {}
            Step::Item(expr) => self.expr(expr),
            Step::Slice(bounds) => self.exprs(bounds.iter().flatten()),
            Step::Call(args) | Step::Filter(_, args) | Step::Test(_, args) => self.args(args),
        }
    }

    fn args(&mut self, args: &'t Args) {
        self.exprs(&args.positional);
        self.exprs(args.named.iter().map(|(_, expr)| expr));
        self.exprs(&args.rest);
        self.exprs(&args.named_rest);
    }
}

fn names_of<'t>(target: &'t Target, names: &mut Vec<&'t str>) {
    match target {
        Target::Name(name) => names.push(name),
        Target::Member(..) => {}
        Target::Tuple(targets) => targets.iter().for_each(|target| names_of(target, names)),
    }
}
