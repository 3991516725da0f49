//! What a text says. Chains of operators, attributes and filters are flat, so that only brackets
//! and prefixes nest.

use super::super::{Variable, checks::Check, filters::Filter, run::Global};

#[derive(Debug)]
pub(in super::super) enum Expr {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Box<str>),
    Name(Name),
    /// A value and what is done to it, one after the other.
    Postfix(Box<Self>, Vec<Step>),
    Chain(Box<Self>, Vec<(Op, Self)>),
    Compare(Box<Self>, Vec<(Cmp, Self)>),
    All(Vec<Self>),
    Any(Vec<Self>),
    Concat(Vec<Self>),
    Not(Box<Self>),
    Neg(Box<Self>),
    Pos(Box<Self>),
    Cond(Box<Cond>),
    List(Vec<Self>),
    Tuple(Vec<Self>),
    Dict(Vec<(Self, Self)>),
    /// The text a block made, for the filters of the block.
    Body,
}

#[derive(Debug)]
pub(in super::super) struct Cond {
    pub test: Expr,
    pub then: Expr,
    pub otherwise: Option<Expr>,
}

/// A name; what it can stand for is looked up once.
#[derive(Debug)]
pub(in super::super) struct Name {
    pub text: Box<str>,
    pub variable: Option<Variable>,
    pub global: Option<Global>,
}

impl Name {
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), variable: Variable::of(text), global: Global::of(text) }
    }
}

#[derive(Debug)]
pub(in super::super) enum Step {
    Attr(Box<str>),
    Item(Expr),
    Slice(Box<[Option<Expr>; 3]>),
    Call(Box<Args>),
    Filter(Filter, Box<Args>),
    Test(Check, Box<Args>),
}

/// Arguments as they are written.
#[derive(Debug, Default)]
pub(in super::super) struct Args {
    pub positional: Vec<Expr>,
    pub named: Vec<(Box<str>, Expr)>,
    pub rest: Option<Expr>,
    pub named_rest: Option<Expr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

#[derive(Debug)]
pub(in super::super) enum Stmt {
    Text(Box<str>),
    Print(Expr),
    Set(Target, Expr),
    /// The filters of the block read [`Expr::Body`].
    SetBlock(Target, Expr, Vec<Self>),
    FilterBlock(Expr, Vec<Self>),
    If(Vec<(Expr, Vec<Self>)>, Vec<Self>),
    For(Box<For>),
    With(Vec<(Target, Expr)>, Vec<Self>),
}

#[derive(Debug)]
pub(in super::super) struct For {
    pub target: Target,
    pub items: Expr,
    pub test: Option<Expr>,
    pub body: Vec<Stmt>,
    pub otherwise: Vec<Stmt>,
}

#[derive(Debug)]
pub(in super::super) enum Target {
    Name(Box<str>),
    /// An attribute of a `namespace()`.
    Member(Name, Box<str>),
    Tuple(Vec<Self>),
}
