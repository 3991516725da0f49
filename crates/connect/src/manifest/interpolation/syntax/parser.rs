//! Tokens to expressions, by the grammar of Jinja2.

use super::{
    super::{MAX_NESTING, checks::Check, filters::Filter},
    lexer::Token,
    tree::{Args, Cmp, Cond, Expr, Name, Op, Step},
};

pub(super) struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
}

type Parse<T> = Result<T, String>;

impl Parser {
    pub fn new(tokens: Vec<(Token, usize)>) -> Self {
        Self { tokens, at: 0, depth: 0 }
    }

    pub fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn look(&self) -> &Token {
        self.tokens.get(self.at + 1).map_or(&Token::End, |(token, _)| token)
    }

    pub fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len());
        token
    }

    pub fn line(&self) -> usize {
        let at = self.at.min(self.tokens.len().saturating_sub(1));
        self.tokens.get(at).map_or(1, |(_, line)| *line)
    }

    pub fn fail<T>(&self, what: &str) -> Parse<T> {
        Err(format!("{what} (line {})", self.line()))
    }

    fn unexpected<T>(&self, wanted: &str) -> Parse<T> {
        self.fail(&format!("{wanted} is expected, and {} is there", self.peek().shown()))
    }

    /// Goes one level deeper, as far as that is allowed.
    pub fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth >= MAX_NESTING {
            return self.fail(&format!("it is nested deeper than {MAX_NESTING} levels"));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    pub fn is_op(&self, op: &str) -> bool {
        matches!(self.peek(), Token::Op(found) if *found == op)
    }

    pub fn take_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        self.at += usize::from(found);
        found
    }

    pub fn expect_op(&mut self, op: &str) -> Parse<()> {
        if self.take_op(op) { Ok(()) } else { self.unexpected(&format!("`{op}`")) }
    }

    pub fn is_name(&self, name: &str) -> bool {
        matches!(self.peek(), Token::Name(found) if found == name)
    }

    pub fn take_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        self.at += usize::from(found);
        found
    }

    pub fn expect_name(&mut self) -> Parse<String> {
        match self.peek() {
            Token::Name(name) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => self.unexpected("a name"),
        }
    }

    pub fn expect(&mut self, token: &Token) -> Parse<()> {
        if self.peek() == token {
            self.at += 1;
            return Ok(());
        }
        self.unexpected(&token.shown())
    }

    pub fn expression(&mut self) -> Parse<Expr> {
        self.nested(Self::conditional)
    }

    /// An expression that leaves an `if` after it alone.
    pub fn without_condition(&mut self) -> Parse<Expr> {
        self.nested(Self::any)
    }

    fn conditional(&mut self) -> Parse<Expr> {
        let mut expr = self.any()?;
        while self.take_name("if") {
            let test = self.any()?;
            let otherwise =
                if self.take_name("else") { Some(self.nested(Self::conditional)?) } else { None };
            expr = Expr::Cond(Box::new(Cond { test, then: expr, otherwise }));
        }
        Ok(expr)
    }

    fn any(&mut self) -> Parse<Expr> {
        let first = self.all()?;
        if !self.is_name("or") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.take_name("or") {
            items.push(self.all()?);
        }
        Ok(Expr::Any(items))
    }

    fn all(&mut self) -> Parse<Expr> {
        let first = self.not()?;
        if !self.is_name("and") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.take_name("and") {
            items.push(self.not()?);
        }
        Ok(Expr::All(items))
    }

    fn not(&mut self) -> Parse<Expr> {
        if self.take_name("not") {
            return Ok(Expr::Not(Box::new(self.nested(Self::not)?)));
        }
        let first = self.sum()?;
        let mut items = Vec::new();
        while let Some(cmp) = self.comparison() {
            items.push((cmp, self.sum()?));
        }
        Ok(if items.is_empty() { first } else { Expr::Compare(Box::new(first), items) })
    }

    fn comparison(&mut self) -> Option<Cmp> {
        let (cmp, length) = match self.peek() {
            Token::Op("==") => (Cmp::Eq, 1),
            Token::Op("!=") => (Cmp::Ne, 1),
            Token::Op("<") => (Cmp::Lt, 1),
            Token::Op("<=") => (Cmp::Le, 1),
            Token::Op(">") => (Cmp::Gt, 1),
            Token::Op(">=") => (Cmp::Ge, 1),
            Token::Name(name) if name == "in" => (Cmp::In, 1),
            Token::Name(name) if name == "not" => match self.look() {
                Token::Name(name) if name == "in" => (Cmp::NotIn, 2),
                _ => return None,
            },
            _ => return None,
        };
        self.at += length;
        Some(cmp)
    }

    fn chain(
        &mut self,
        operand: impl Fn(&mut Self) -> Parse<Expr>,
        op: impl Fn(&Token) -> Option<Op>,
    ) -> Parse<Expr> {
        let first = operand(self)?;
        let mut items = Vec::new();
        while let Some(op) = op(self.peek()) {
            self.at += 1;
            items.push((op, operand(self)?));
        }
        Ok(if items.is_empty() { first } else { Expr::Chain(Box::new(first), items) })
    }

    fn sum(&mut self) -> Parse<Expr> {
        self.chain(Self::concat, |token| match token {
            Token::Op("+") => Some(Op::Add),
            Token::Op("-") => Some(Op::Sub),
            _ => None,
        })
    }

    fn concat(&mut self) -> Parse<Expr> {
        let first = self.product()?;
        if !self.is_op("~") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.take_op("~") {
            items.push(self.product()?);
        }
        Ok(Expr::Concat(items))
    }

    fn product(&mut self) -> Parse<Expr> {
        self.chain(Self::power, |token| match token {
            Token::Op("*") => Some(Op::Mul),
            Token::Op("/") => Some(Op::Div),
            Token::Op("//") => Some(Op::FloorDiv),
            Token::Op("%") => Some(Op::Mod),
            _ => None,
        })
    }

    fn power(&mut self) -> Parse<Expr> {
        self.chain(
            |parser| parser.unary(true),
            |token| (*token == Token::Op("**")).then_some(Op::Pow),
        )
    }

    fn unary(&mut self, with_filters: bool) -> Parse<Expr> {
        let node = if self.take_op("-") {
            Expr::Neg(Box::new(self.nested(|parser| parser.unary(false))?))
        } else if self.take_op("+") {
            Expr::Pos(Box::new(self.nested(|parser| parser.unary(false))?))
        } else {
            self.primary()?
        };
        let mut steps = Vec::new();
        self.postfix(&mut steps)?;
        if with_filters {
            self.filters(&mut steps)?;
        }
        Ok(if steps.is_empty() { node } else { Expr::Postfix(Box::new(node), steps) })
    }

    fn primary(&mut self) -> Parse<Expr> {
        match self.next() {
            Token::Name(name) => Ok(match name.as_str() {
                "true" | "True" => Expr::Bool(true),
                "false" | "False" => Expr::Bool(false),
                "none" | "None" => Expr::None,
                name => Expr::Name(Name::new(name)),
            }),
            Token::Str(mut text) => {
                while let Token::Str(more) = self.peek() {
                    text.push_str(more);
                    self.at += 1;
                }
                Ok(Expr::Str(text.into()))
            }
            Token::Int(int) => Ok(Expr::Int(int)),
            Token::Float(float) => Ok(Expr::Float(float)),
            Token::Op("(") => {
                let inner = self.tuple(true, |_| false)?;
                self.expect_op(")")?;
                Ok(inner)
            }
            Token::Op("[") => Ok(Expr::List(self.sequence("]", Self::expression)?)),
            Token::Op("{") => {
                let pair = |parser: &mut Self| {
                    let key = parser.expression()?;
                    parser.expect_op(":")?;
                    Ok((key, parser.expression()?))
                };
                Ok(Expr::Dict(self.sequence("}", pair)?))
            }
            other => {
                self.at -= usize::from(other != Token::End);
                self.fail(&format!("{} is not expected there", other.shown()))
            }
        }
    }

    /// Items between commas up to `end`, a last comma allowed.
    fn sequence<T>(&mut self, end: &str, item: impl Fn(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        let mut items = Vec::new();
        while !self.is_op(end) {
            if !items.is_empty() {
                self.expect_op(",")?;
            }
            if self.is_op(end) {
                break;
            }
            items.push(item(self)?);
        }
        self.expect_op(end)?;
        Ok(items)
    }

    /// An expression, or several between commas. `ends` says what else ends them.
    pub fn tuple(&mut self, bracketed: bool, ends: fn(&Self) -> bool) -> Parse<Expr> {
        let mut items = Vec::new();
        let mut is_tuple = false;
        loop {
            if !items.is_empty() {
                self.expect_op(",")?;
            }
            let closed = matches!(self.peek(), Token::VarEnd | Token::BlockEnd | Token::Op(")"));
            if closed || ends(self) {
                break;
            }
            items.push(self.expression()?);
            if !self.is_op(",") {
                break;
            }
            is_tuple = true;
        }
        match (is_tuple, items.pop()) {
            (false, Some(only)) => Ok(only),
            (false, None) if !bracketed => self.unexpected("an expression"),
            (_, last) => {
                items.extend(last);
                Ok(Expr::Tuple(items))
            }
        }
    }

    fn postfix(&mut self, steps: &mut Vec<Step>) -> Parse<()> {
        loop {
            if self.take_op(".") {
                steps.push(match self.next() {
                    Token::Name(name) => Step::Attr(name.into()),
                    Token::Int(int) => Step::Item(Expr::Int(int)),
                    _ => return self.fail("a name or a number is expected after `.`"),
                });
            } else if self.take_op("[") {
                steps.push(self.subscript()?);
            } else if self.is_op("(") {
                steps.push(Step::Call(Box::new(self.args()?)));
            } else {
                return Ok(());
            }
        }
    }

    fn subscript(&mut self) -> Parse<Step> {
        let first = if self.is_op(":") { None } else { Some(self.expression()?) };
        if !self.take_op(":") {
            let Some(first) = first else { return self.unexpected("an expression") };
            if self.take_op("]") {
                return Ok(Step::Item(first));
            }
            // Several subscripts are a tuple.
            self.expect_op(",")?;
            let mut items = vec![first];
            items.extend(self.sequence("]", Self::expression)?);
            return Ok(Step::Item(Expr::Tuple(items)));
        }
        let mut bounds = [first, None, None];
        for (position, bound) in bounds.iter_mut().enumerate().skip(1) {
            if !self.is_op(":") && !self.is_op("]") {
                *bound = Some(self.expression()?);
            }
            if position == 2 || !self.take_op(":") {
                break;
            }
        }
        self.expect_op("]")?;
        Ok(Step::Slice(Box::new(bounds)))
    }

    fn filters(&mut self, steps: &mut Vec<Step>) -> Parse<()> {
        loop {
            if self.take_op("|") {
                steps.push(self.filter()?);
            } else if self.take_name("is") {
                steps.extend(self.test()?);
            } else if self.is_op("(") {
                steps.push(Step::Call(Box::new(self.args()?)));
            } else {
                return Ok(());
            }
        }
    }

    /// One filter, after its `|`.
    pub fn filter(&mut self) -> Parse<Step> {
        let name = self.expect_name()?;
        let Some(filter) = Filter::of(&name) else {
            return self.fail(&format!("there is no filter `{name}`"));
        };
        let args = if self.is_op("(") { self.args()? } else { Args::default() };
        Ok(Step::Filter(filter, Box::new(args)))
    }

    fn test(&mut self) -> Parse<Vec<Step>> {
        let negated = self.take_name("not");
        let name = self.expect_name()?;
        let Some(check) = Check::of(&name) else {
            return self.fail(&format!("there is no test `{name}`"));
        };
        let args = match self.peek() {
            Token::Op("(") => self.args()?,
            Token::Name(name) if matches!(name.as_str(), "else" | "or" | "and") => Args::default(),
            Token::Name(name) if name == "is" => {
                return self.fail("several tests cannot follow each other; join them with `and`");
            }
            Token::Name(_)
            | Token::Str(_)
            | Token::Int(_)
            | Token::Float(_)
            | Token::Op("[" | "{") => {
                let node = self.nested(Self::primary)?;
                let mut steps = Vec::new();
                self.postfix(&mut steps)?;
                let node = match steps.is_empty() {
                    true => node,
                    false => Expr::Postfix(Box::new(node), steps),
                };
                Args { positional: vec![node], ..Args::default() }
            }
            _ => Args::default(),
        };
        let mut steps = vec![Step::Test(check, Box::new(args))];
        if negated {
            steps.push(Step::Test(Check::False, Box::default()));
        }
        Ok(steps)
    }

    fn args(&mut self) -> Parse<Args> {
        self.expect_op("(")?;
        let mut args = Args::default();
        let mut first = true;
        while !self.is_op(")") {
            if !first {
                self.expect_op(",")?;
                if self.is_op(")") {
                    break;
                }
            }
            first = false;
            let named = matches!((self.peek(), self.look()), (Token::Name(_), Token::Op("=")));
            if self.take_op("*") && args.rest.is_none() && args.named_rest.is_none() {
                args.rest = Some(self.expression()?);
            } else if self.take_op("**") && args.named_rest.is_none() {
                args.named_rest = Some(self.expression()?);
            } else if named && args.named_rest.is_none() {
                let name = self.expect_name()?;
                self.at += 1;
                args.named.push((name.into(), self.expression()?));
            } else if args.rest.is_none() && args.named_rest.is_none() && args.named.is_empty() {
                args.positional.push(self.expression()?);
            } else {
                return self.fail("an argument without a name stands after named ones");
            }
        }
        self.expect_op(")")?;
        Ok(args)
    }
}
