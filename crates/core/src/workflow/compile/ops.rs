//! Compiling what the kinds of steps do.

use serde_json::Value;

use super::Compiler;
use crate::{
    access::Role,
    workflow::{
        Approval, Branch, ForEach, Kind, MAX_LOOP_ITEMS, OnDeadline, Parallel, Step, Switch, Wait,
        check::{self, Reach},
        program::{ApprovalOp, Items, Op},
    },
};

impl Compiler {
    pub(super) fn op(
        &mut self,
        at: &str,
        kind: &Kind<Step>,
        reach: &mut Reach,
        depth: usize,
    ) -> Option<Op> {
        Some(match kind {
            Kind::Action(call) => Op::Action(self.call(at, call, reach)?),
            Kind::Branch(branch) => self.branch(at, branch, reach, depth)?,
            Kind::Switch(switch) => self.switch(at, switch, reach, depth)?,
            Kind::Parallel(parallel) => self.parallel(at, parallel, reach, depth),
            Kind::ForEach(each) => self.for_each(at, each, reach, depth)?,
            Kind::Wait(wait) => self.wait(at, wait, reach)?,
            Kind::Approval(approval) => self.approval(at, approval, reach)?,
            Kind::Set(set) => {
                for name in set.vars.keys().filter(|name| !check::is_identifier(name)) {
                    let message = format!("`{name}` cannot be a name; use letters, digits and `_`");
                    self.fault(format!("{at}/vars"), message);
                }
                let vars = Value::Object(set.vars.clone());
                Op::Set(self.structure(&format!("{at}/vars"), &vars, reach)?)
            }
            Kind::Fail(fail) => Op::Fail {
                message: self.template(&format!("{at}/message"), &fail.message, reach)?,
                code: fail.code.as_deref().unwrap_or("failed").into(),
            },
            Kind::Stop(stop) => {
                Op::Stop(self.structure(&format!("{at}/output"), &stop.output, reach)?)
            }
            Kind::Workflow(sub) => {
                if sub.workflow.trim().is_empty() {
                    self.fault(format!("{at}/workflow"), "name the workflow to run");
                }
                let input = self.structure(&format!("{at}/input"), &sub.input, reach)?;
                Op::Workflow { workflow: sub.workflow.as_str().into(), input }
            }
            Kind::Restart(restart) => {
                Op::Restart(self.structure(&format!("{at}/input"), &restart.input, reach)?)
            }
        })
    }

    fn branch(
        &mut self,
        at: &str,
        branch: &Branch<Step>,
        reach: &mut Reach,
        depth: usize,
    ) -> Option<Op> {
        let condition = self.expr(&format!("{at}/condition"), &branch.condition, reach);
        if branch.then.is_empty() && branch.r#else.is_empty() {
            self.fault(format!("{at}/then"), "a branch needs steps in `then` or `else`");
        }
        let (mut then_reach, mut else_reach) = (reach.clone(), reach.clone());
        let then = self.block(&format!("{at}/then"), &branch.then, &mut then_reach, depth);
        let otherwise = self.block(&format!("{at}/else"), &branch.r#else, &mut else_reach, depth);
        reach.steps.extend(then_reach.steps.into_iter().chain(else_reach.steps));
        Some(Op::Branch { condition: condition?, then, otherwise })
    }

    fn switch(
        &mut self,
        at: &str,
        switch: &Switch<Step>,
        reach: &mut Reach,
        depth: usize,
    ) -> Option<Op> {
        self.fan_out(&format!("{at}/cases"), switch.cases.len());
        let before = reach.clone();
        let mut cases = Vec::with_capacity(switch.cases.len());
        for (index, case) in switch.cases.iter().enumerate() {
            let at = format!("{at}/cases/{index}");
            let when = self.expr(&format!("{at}/when"), &case.when, &before);
            let mut inside = before.clone();
            let block = self.block(&format!("{at}/steps"), &case.steps, &mut inside, depth);
            reach.steps.extend(inside.steps);
            cases.push(when.map(|when| (when, block)));
        }
        let mut inside = before;
        let otherwise = self.block(&format!("{at}/default"), &switch.default, &mut inside, depth);
        reach.steps.extend(inside.steps);
        Some(Op::Switch { cases: cases.into_iter().collect::<Option<_>>()?, otherwise })
    }

    fn parallel(
        &mut self,
        at: &str,
        parallel: &Parallel<Step>,
        reach: &mut Reach,
        depth: usize,
    ) -> Op {
        self.fan_out(&format!("{at}/branches"), parallel.branches.len());
        let before = reach.clone();
        let mut blocks = Vec::with_capacity(parallel.branches.len());
        for (index, steps) in parallel.branches.iter().enumerate() {
            let mut inside = before.clone();
            blocks.push(self.block(&format!("{at}/branches/{index}"), steps, &mut inside, depth));
            reach.steps.extend(inside.steps);
        }
        let (all, needed) = (blocks.len(), parallel.wait_for.of(blocks.len()));
        if all > 0 && !(1..=all).contains(&needed) {
            self.fault(format!("{at}/wait_for"), format!("must be `all`, `any` or 1 to {all}"));
        }
        Op::Parallel { branches: blocks, needed }
    }

    fn for_each(
        &mut self,
        at: &str,
        each: &ForEach<Step>,
        reach: &Reach,
        depth: usize,
    ) -> Option<Op> {
        let field = format!("{at}/items");
        let items = match &each.items {
            Value::String(source) => self.expr(&field, source, reach).map(Items::Computed),
            Value::Array(items) => {
                if items.len() > MAX_LOOP_ITEMS {
                    self.fault(&field, format!("has more than {MAX_LOOP_ITEMS} items"));
                }
                self.structure(&field, &each.items, reach).map(Items::Listed)
            }
            _ => {
                self.fault(&field, "must be a list, or an expression that gives one");
                None
            }
        };
        self.fan_out(&format!("{at}/concurrency"), each.concurrency);
        if each.steps.is_empty() {
            self.fault(format!("{at}/steps"), "a loop needs steps");
        }
        let mut inside = Reach { in_loop: true, ..reach.clone() };
        if let Some(alias) = &each.r#as {
            if !check::is_free_name(alias) || inside.aliases.contains(alias) {
                self.fault(format!("{at}/as"), format!("`{alias}` is taken or cannot be a name"));
            }
            inside.aliases.push(alias.clone());
        }
        // What an iteration makes stays in it: `inside` is dropped here.
        let body = self.block(&format!("{at}/steps"), &each.steps, &mut inside, depth);
        let alias = each.r#as.as_deref().map(Into::into);
        Some(Op::ForEach { items: items?, alias, concurrency: each.concurrency, body })
    }

    fn wait(&mut self, at: &str, wait: &Wait, reach: &Reach) -> Option<Op> {
        self.span(&format!("{at}/for"), wait.r#for);
        self.span(&format!("{at}/deadline"), wait.deadline);
        let late = wait.deadline.is_some() || wait.on_deadline != OnDeadline::default();
        if late && wait.signal.is_none() {
            self.fault(format!("{at}/deadline"), "only a wait for a signal has a deadline");
        }
        match (wait.r#for, &wait.until, &wait.signal) {
            (Some(span), None, None) => Some(Op::Pause(span)),
            (None, Some(until), None) => {
                Some(Op::Until(self.template(&format!("{at}/until"), until, reach)?))
            }
            (None, None, Some(name)) => Some(Op::Signal {
                name: self.template(&format!("{at}/signal"), name, reach)?,
                deadline: wait.deadline,
                on_deadline: wait.on_deadline,
            }),
            _ => {
                self.fault(at, "a wait has exactly one of `for`, `until`, `signal`");
                None
            }
        }
    }

    fn approval(&mut self, at: &str, approval: &Approval, reach: &Reach) -> Option<Op> {
        self.span(&format!("{at}/deadline"), approval.deadline);
        self.approvers(at, &approval.approvers);
        if let Some(escalate) = &approval.escalate {
            let at = format!("{at}/escalate");
            self.span(&format!("{at}/after"), Some(escalate.after));
            self.approvers(&at, &escalate.approvers);
            if approval.deadline.is_some_and(|deadline| deadline <= escalate.after) {
                self.fault(format!("{at}/after"), "must be shorter than the deadline");
            }
            if escalate.approvers.is_empty() {
                self.fault(format!("{at}/approvers"), "name who is asked then");
            }
        }
        Some(Op::Approval(Box::new(ApprovalOp {
            message: self.template(&format!("{at}/message"), &approval.message, reach)?,
            approvers: approval.approvers.clone(),
            deadline: approval.deadline,
            on_deadline: approval.on_deadline,
            on_reject: approval.on_reject,
            escalate: approval.escalate.clone().map(|more| (more.after, more.approvers)),
        })))
    }

    fn approvers(&mut self, at: &str, approvers: &[String]) {
        for (index, approver) in approvers.iter().enumerate() {
            if approver.parse::<Role>().is_err() && !approver.contains('@') {
                let roles = Role::ALL.map(Role::name).join(", ");
                let message = format!("`{approver}` is no e-mail address and none of {roles}");
                self.fault(format!("{at}/approvers/{index}"), message);
            }
        }
    }
}
