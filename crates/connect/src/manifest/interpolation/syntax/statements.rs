//! Tags: `set`, `if`, `for`, `with` and `filter`. Others are of no use in a manifest.

use super::{
    lexer::Token,
    parser::Parser,
    tree::{Expr, For, Name, Step, Stmt, Target},
};

type Parse<T> = Result<T, String>;

impl Parser {
    /// A whole text.
    pub fn template(&mut self) -> Parse<Vec<Stmt>> {
        let body = self.statements(&[])?;
        self.expect(&Token::End)?;
        Ok(body)
    }

    /// Statements up to a tag of one of these names, whose name is next then.
    fn statements(&mut self, ends: &[&str]) -> Parse<Vec<Stmt>> {
        let mut body = Vec::new();
        loop {
            match self.peek() {
                Token::End if ends.is_empty() => return Ok(body),
                Token::End => {
                    return self.fail(&format!("`{{% {} %}}` is missing", ends[ends.len() - 1]));
                }
                Token::Text(_) => {
                    if let Token::Text(text) = self.next() {
                        body.push(Stmt::Text(text.into()));
                    }
                }
                Token::VarBegin => {
                    self.next();
                    body.push(Stmt::Print(self.tuple(false, |_| false)?));
                    self.expect(&Token::VarEnd)?;
                }
                _ => {
                    self.expect(&Token::BlockBegin)?;
                    if ends.iter().any(|end| self.is_name(end)) {
                        return Ok(body);
                    }
                    self.nested(|parser| parser.statement(&mut body))?;
                    self.expect(&Token::BlockEnd)?;
                }
            }
        }
    }

    /// What is inside a tag that opens a block, and the block; a colon may end the tag.
    fn block(&mut self, ends: &[&str]) -> Parse<Vec<Stmt>> {
        self.take_op(":");
        self.expect(&Token::BlockEnd)?;
        self.statements(ends)
    }

    fn statement(&mut self, body: &mut Vec<Stmt>) -> Parse<()> {
        let name = self.expect_name()?;
        let statement = match name.as_str() {
            "set" => self.set()?,
            "if" => self.branches()?,
            "for" => self.each()?,
            "with" => self.with()?,
            "filter" => {
                let filters = vec![self.filter()?];
                let chain = self.more_filters(filters)?;
                let inner = self.block(&["endfilter"])?;
                self.next();
                Stmt::FilterBlock(chain, inner)
            }
            "print" => {
                while *self.peek() != Token::BlockEnd {
                    body.push(Stmt::Print(self.expression()?));
                    if !self.take_op(",") {
                        break;
                    }
                }
                return Ok(());
            }
            "macro" | "call" | "block" | "include" | "import" | "from" | "extends"
            | "autoescape" => {
                return self.fail(&format!("`{{% {name} %}}` is not run in manifests"));
            }
            _ => return self.fail(&format!("there is no tag `{name}`")),
        };
        body.push(statement);
        Ok(())
    }

    fn more_filters(&mut self, mut filters: Vec<Step>) -> Parse<Expr> {
        while self.take_op("|") {
            filters.push(self.filter()?);
        }
        Ok(Expr::Postfix(Box::new(Expr::Body), filters))
    }

    fn set(&mut self) -> Parse<Stmt> {
        let target = self.target(true)?;
        if self.take_op("=") {
            return Ok(Stmt::Set(target, self.tuple(false, |_| false)?));
        }
        let chain = self.more_filters(Vec::new())?;
        let body = self.block(&["endset"])?;
        self.next();
        Ok(Stmt::SetBlock(target, chain, body))
    }

    fn branches(&mut self) -> Parse<Stmt> {
        let mut branches = Vec::new();
        loop {
            let test = self.tuple(false, |_| false)?;
            branches.push((test, self.block(&["elif", "else", "endif"])?));
            if self.take_name("elif") {
                continue;
            }
            let mut otherwise = Vec::new();
            if self.take_name("else") {
                otherwise = self.block(&["endif"])?;
            }
            self.next();
            return Ok(Stmt::If(branches, otherwise));
        }
    }

    fn each(&mut self) -> Parse<Stmt> {
        let target = self.target(false)?;
        if !self.take_name("in") {
            return self.fail("`in` is expected in `for`");
        }
        let items = self.loop_items()?;
        let test = if self.take_name("if") { Some(self.expression()?) } else { None };
        if self.is_name("recursive") {
            return self.fail("recursive loops are not run in manifests");
        }
        let body = self.block(&["endfor", "else"])?;
        let mut otherwise = Vec::new();
        if self.take_name("else") {
            otherwise = self.block(&["endfor"])?;
        }
        self.next();
        Ok(Stmt::For(Box::new(For { target, items, test, body, otherwise })))
    }

    /// What a loop runs over: `if` after it is the loop's own.
    fn loop_items(&mut self) -> Parse<Expr> {
        let mut items = vec![self.without_condition()?];
        if !self.is_op(",") {
            return items.pop().ok_or_else(String::new);
        }
        while self.take_op(",") {
            if matches!(self.peek(), Token::BlockEnd) {
                break;
            }
            items.push(self.without_condition()?);
        }
        Ok(Expr::Tuple(items))
    }

    fn with(&mut self) -> Parse<Stmt> {
        let mut pairs = Vec::new();
        while !matches!(self.peek(), Token::BlockEnd | Token::Op(":")) {
            if !pairs.is_empty() {
                self.expect_op(",")?;
            }
            let target = self.target(false)?;
            self.expect_op("=")?;
            pairs.push((target, self.expression()?));
        }
        let body = self.block(&["endwith"])?;
        self.next();
        Ok(Stmt::With(pairs, body))
    }

    /// What is assigned to.
    fn target(&mut self, members: bool) -> Parse<Target> {
        let first = self.single_target(members)?;
        if !self.is_op(",") {
            return Ok(first);
        }
        let mut targets = vec![first];
        while self.take_op(",") {
            if self.is_op("=") || self.is_name("in") {
                break;
            }
            targets.push(self.single_target(members)?);
        }
        Ok(Target::Tuple(targets))
    }

    fn single_target(&mut self, members: bool) -> Parse<Target> {
        if self.take_op("(") {
            let inner = self.nested(|parser| parser.target(members))?;
            self.expect_op(")")?;
            return Ok(inner);
        }
        let name = self.expect_name()?;
        if matches!(name.as_str(), "true" | "True" | "false" | "False" | "none" | "None") {
            return self.fail(&format!("`{name}` cannot be assigned to"));
        }
        if members && self.take_op(".") {
            return Ok(Target::Member(Name::new(&name), self.expect_name()?.into()));
        }
        Ok(Target::Name(name.into()))
    }
}
