//! A compiled definition: expressions parsed, references checked, steps in one flat list.

use std::sync::Arc;

use super::{Definition, OnDeadline, OnReject, RetryPolicy, Span, compile, typed::Fields};
use crate::{
    Result,
    canonical::Digest,
    expr::{Expr, Interpolation, Template},
};

/// A definition ready to run. Compile once, share between runs.
#[derive(Debug)]
pub struct Program {
    pub(super) definition: Arc<Definition>,
    pub(super) hash: Digest,
    pub(super) when: Option<Expr>,
    pub(super) nodes: Vec<Node>,
    pub(super) blocks: Vec<Vec<NodeIx>>,
    pub(super) root: BlockIx,
    /// Whether some step with steps inside may be begun anew or undone as a whole.
    pub(super) scoped: bool,
    pub(super) output: Option<Interpolation>,
}

/// Position in [`Program::nodes`].
pub(super) type NodeIx = usize;
/// Position in [`Program::blocks`].
pub(super) type BlockIx = usize;

/// A compiled step.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: Box<str>,
    pub(super) name: Box<str>,
    pub(super) when: Option<Expr>,
    pub(super) continue_on_error: bool,
    pub(super) on_error: Option<BlockIx>,
    pub(super) skip: bool,
    /// How its action is repeated.
    pub(super) retry: RetryPolicy,
    /// How the machine repeats it; only where the definition says so.
    pub(super) again: Option<RetryPolicy>,
    pub(super) timeout: Option<Span>,
    pub(super) undo: Option<Invocation>,
    pub(super) op: Op,
}

/// A compiled call of an action.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) action: Box<str>,
    pub(super) connection: Option<Box<str>>,
    pub(super) input: Interpolation,
}

/// What a compiled step does.
#[derive(Debug)]
pub(super) enum Op {
    Action(Invocation),
    Branch { condition: Expr, then: BlockIx, otherwise: BlockIx },
    Switch { cases: Vec<(Expr, BlockIx)>, otherwise: BlockIx },
    Parallel { branches: Vec<BlockIx>, needed: usize },
    ForEach { items: Items, alias: Option<Box<str>>, concurrency: usize, body: BlockIx },
    Pause(Span),
    Until(Template),
    Signal { name: Template, deadline: Option<Span>, on_deadline: OnDeadline },
    Approval(Box<ApprovalOp>),
    Set(Interpolation),
    Fail { message: Template, code: Box<str> },
    Stop(Interpolation),
    Workflow { workflow: Box<str>, input: Interpolation },
    Restart(Interpolation),
}

impl Op {
    /// The type of the step, as written.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Action(_) => "action",
            Self::Branch { .. } => "branch",
            Self::Switch { .. } => "switch",
            Self::Parallel { .. } => "parallel",
            Self::ForEach { .. } => "for_each",
            Self::Pause(_) | Self::Until(_) | Self::Signal { .. } => "wait",
            Self::Approval(_) => "approval",
            Self::Set(_) => "set",
            Self::Fail { .. } => "fail",
            Self::Stop(_) => "stop",
            Self::Workflow { .. } => "workflow",
            Self::Restart(_) => "restart",
        }
    }
}

#[derive(Debug)]
pub(super) struct ApprovalOp {
    pub(super) message: Template,
    pub(super) approvers: Vec<String>,
    pub(super) deadline: Option<Span>,
    pub(super) on_deadline: OnDeadline,
    pub(super) on_reject: OnReject,
    /// Who is asked, too, after how long.
    pub(super) escalate: Option<(Span, Vec<String>)>,
}

/// Where a loop's items come from.
#[derive(Debug)]
pub(super) enum Items {
    Computed(Expr),
    Listed(Interpolation),
}

impl Program {
    /// Compiles a definition and checks everything that can be known before it runs.
    ///
    /// # Errors
    /// `invalid` listing every fault by JSON pointer: duplicate or malformed ids, expressions that
    /// do not compile, references to what is not there, limits.
    pub fn compile(definition: Definition) -> Result<Self> {
        compile::program(definition)
    }

    /// The same with one step only, which takes whatever it is given; `None` when there is no such
    /// step.
    pub(super) fn alone(mut self, step: &str) -> Option<Self> {
        let node = self.nodes.iter().position(|node| &*node.id == step)?;
        self.root = self.blocks.len();
        self.blocks.push(vec![node]);
        let definition = Definition {
            inputs: Fields::new(),
            outputs: Fields::new(),
            ..Definition::clone(&self.definition)
        };
        let definition = Arc::new(definition);
        Some(Self { when: None, output: None, definition, ..self })
    }

    /// The definition this was compiled from.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// The definition's [`content_hash`](Definition::content_hash).
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// Every action this may call, compensations included; sorted, each once.
    pub fn actions(&self) -> Vec<&str> {
        let called = self.nodes.iter().filter_map(|node| match &node.op {
            Op::Action(call) => Some(&*call.action),
            _ => None,
        });
        let undone = self.nodes.iter().filter_map(|node| Some(&*node.undo.as_ref()?.action));
        let mut actions: Vec<&str> = called.chain(undone).collect();
        actions.sort_unstable();
        actions.dedup();
        actions
    }
}
