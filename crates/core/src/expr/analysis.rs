//! Whether an expression may be run at all, and what it reads. Decided once, before compiling.

use super::{
    FILTERS, MAX_LITERAL_ITEMS, MAX_NESTING, MAX_SLICES, Path, at, engine::TESTS, reads::Reads,
};
use crate::Result;
use minijinja::machinery::{
    Span,
    ast::{BinOpKind, CallArg, Expr as Tree, UnaryOpKind},
};

/// Checks an expression and collects what it reads.
pub(super) fn analyse(source: &str, tree: &Tree<'_>) -> Result<Reads> {
    let mut walk = Walk { source, reads: Reads::default(), numeric: false, slices: 0 };
    walk.visit(tree, MAX_NESTING, false)?;
    Ok(walk.reads)
}

struct Walk<'a> {
    source: &'a str,
    reads: Reads,
    /// Whether the node being visited must be a number.
    numeric: bool,
    /// Slices met so far.
    slices: usize,
}

impl Walk<'_> {
    fn refuse<T>(&self, span: Span, what: &str) -> Result<T> {
        Err(at(self.source, usize::try_from(span.start_offset).unwrap_or(0), what))
    }

    /// Visits a node. `optional`: its value may be missing.
    fn visit(&mut self, tree: &Tree<'_>, depth: usize, optional: bool) -> Result<()> {
        let Some(depth) = depth.checked_sub(1) else {
            return self.refuse(tree.span(), "it is nested too deeply");
        };
        // Only the operands of `*` demand a number, and only what `number` passes on to them.
        let numeric = std::mem::take(&mut self.numeric);
        if let Some(path) = Path::of(tree) {
            self.reads.add(path, optional, numeric);
            return Ok(());
        }
        if numeric && !self.gives_number(tree) {
            let what = "`*` takes numbers; convert with `|int` or `|float` first";
            return self.refuse(tree.span(), what);
        }
        match tree {
            Tree::Const(_) | Tree::Var(_) => Ok(()),
            Tree::GetAttr(attr) => self.visit(&attr.expr, depth, optional),
            Tree::GetItem(item) => {
                self.visit(&item.expr, depth, optional)?;
                self.visit(&item.subscript_expr, depth, false)
            }
            Tree::Slice(slice) => {
                if slice.step.is_some() {
                    return self.refuse(slice.span(), "a slice takes no step; use `|reverse`");
                }
                self.slices += 1;
                if self.slices > MAX_SLICES {
                    let what = format!("an expression has at most {MAX_SLICES} slices");
                    return self.refuse(slice.span(), &what);
                }
                self.visit(&slice.expr, depth, false)?;
                self.visit_all(slice.start.iter().chain(&slice.stop), depth)
            }
            Tree::UnaryOp(op) => {
                self.numeric = numeric && matches!(op.op, UnaryOpKind::Neg);
                self.visit(&op.expr, depth, false)
            }
            Tree::BinOp(op) => {
                let operands =
                    matches!(op.op, BinOpKind::Mul) || numeric && matches!(op.op, BinOpKind::Add);
                for side in [&op.left, &op.right] {
                    self.numeric = operands;
                    self.visit(side, depth, false)?;
                }
                Ok(())
            }
            Tree::Compare(chain) => {
                self.visit(&chain.expr, depth, false)?;
                self.visit_all(chain.ops.iter().map(|op| &op.expr), depth)
            }
            Tree::IfExpr(choice) => {
                self.visit(&choice.test_expr, depth, false)?;
                for branch in [Some(&choice.true_expr), choice.false_expr.as_ref()] {
                    self.numeric = numeric;
                    branch.map_or(Ok(()), |branch| self.visit(branch, depth, false))?;
                }
                Ok(())
            }
            Tree::Filter(_) | Tree::Test(_) => self.visit_named(tree, depth, numeric),
            Tree::Call(call) => {
                self.refuse(call.span(), "functions cannot be called; use filters, as in `x|lower`")
            }
            Tree::List(list) => self.visit_literal(list.span(), &list.items, depth),
            Tree::Tuple(tuple) => self.visit_literal(tuple.span(), &tuple.items, depth),
            Tree::Map(map) => {
                self.visit_literal(map.span(), &map.keys, depth)?;
                self.visit_literal(map.span(), &map.values, depth)
            }
        }
    }

    fn visit_all<'t, 's: 't>(
        &mut self,
        trees: impl Iterator<Item = &'t Tree<'s>>,
        depth: usize,
    ) -> Result<()> {
        for tree in trees {
            self.visit(tree, depth, false)?;
        }
        Ok(())
    }

    fn visit_literal(&mut self, span: Span, items: &[Tree<'_>], depth: usize) -> Result<()> {
        if items.len() > MAX_LITERAL_ITEMS {
            return self.refuse(span, &format!("a literal has at most {MAX_LITERAL_ITEMS} items"));
        }
        self.visit_all(items.iter(), depth)
    }

    /// A filter or a test: the name must be known; `default` and `defined` excuse missing values.
    fn visit_named(&mut self, tree: &Tree<'_>, depth: usize, numeric: bool) -> Result<()> {
        match tree {
            Tree::Filter(filter) => {
                if !FILTERS.contains(&filter.name) {
                    let known = FILTERS.join(", ");
                    let what = format!("there is no filter `{}`; there are {known}", filter.name);
                    return self.refuse(filter.span(), &what);
                }
                let Some(inner) = &filter.expr else {
                    return self.refuse(filter.span(), "the filter has no value to work on");
                };
                let default = matches!(filter.name, "default" | "d");
                self.numeric = numeric && default;
                self.visit(inner, depth, default)?;
                // These give their argument back when the value is missing or no number.
                let passes_on = default || matches!(filter.name, "int" | "float");
                self.visit_args(filter.span(), &filter.args, depth, numeric && passes_on)
            }
            Tree::Test(test) => {
                if !TESTS.contains(&test.name) {
                    let known = TESTS.join(", ");
                    let what = format!("there is no test `{}`; there are {known}", test.name);
                    return self.refuse(test.span(), &what);
                }
                let optional = matches!(test.name, "defined" | "undefined");
                self.visit(&test.expr, depth, optional)?;
                self.visit_args(test.span(), &test.args, depth, false)
            }
            _ => Ok(()),
        }
    }

    fn visit_args(
        &mut self,
        span: Span,
        args: &[CallArg<'_>],
        depth: usize,
        numeric: bool,
    ) -> Result<()> {
        for arg in args {
            let (CallArg::Pos(tree) | CallArg::Kwarg(_, tree)) = arg else {
                return self.refuse(span, "`*` and `**` arguments are not available");
            };
            self.numeric = numeric;
            self.visit(tree, depth, false)?;
        }
        Ok(())
    }

    /// Whether a node that is no path yields a number or fails, given numeric operands where
    /// [`Walk::visit`] passes the demand on.
    fn gives_number(&self, tree: &Tree<'_>) -> bool {
        match tree {
            Tree::Const(constant) => constant.value.is_number(),
            Tree::UnaryOp(op) => matches!(op.op, UnaryOpKind::Neg),
            Tree::BinOp(op) => matches!(
                op.op,
                BinOpKind::Add
                    | BinOpKind::Sub
                    | BinOpKind::Mul
                    | BinOpKind::Div
                    | BinOpKind::FloorDiv
                    | BinOpKind::Rem
                    | BinOpKind::Pow
            ),
            Tree::IfExpr(choice) => choice.false_expr.is_some(),
            Tree::Filter(filter) => match filter.name {
                "abs" | "count" | "float" | "int" | "length" | "round" => true,
                "default" | "d" => matches!(filter.args.as_slice(), [CallArg::Pos(_)]),
                "sum" => {
                    filter.args.iter().all(|arg| matches!(arg, CallArg::Kwarg("attribute", _)))
                }
                _ => false,
            },
            _ => false,
        }
    }
}
