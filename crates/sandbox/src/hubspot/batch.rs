//! `POST /crm/v3/objects/{type}/batch/{read,create,update,upsert,archive}`

use std::{collections::HashSet, sync::Arc};

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use connectus_core::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    body::{Body, OfType, values},
    iso,
    object::{ObjectType, Record, Values},
    portal::Table,
    refusal::Refusal,
    single::names,
};
use crate::{front::Applied, world::World};

/// Most inputs of one batch.
pub(crate) const MAX_INPUTS: usize = 100;

#[derive(Debug, Deserialize)]
pub(crate) struct Batch<T> {
    inputs: Vec<T>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadBatch {
    inputs: Vec<Key>,
    #[serde(default)]
    properties: Vec<String>,
    #[serde(default)]
    id_property: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Key {
    id: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    #[serde(default)]
    id: String,
    #[serde(default)]
    id_property: Option<String>,
    #[serde(default)]
    object_write_trace_id: Option<String>,
    #[serde(deserialize_with = "values")]
    properties: Values,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Create,
    Update,
    Upsert,
}

pub(crate) async fn create(
    state: State<Arc<World>>,
    object_type: OfType,
    body: Body<Batch<Input>>,
) -> Result<Response, Refusal> {
    write(&state, object_type.0, Verb::Create, body.0.inputs)
}

pub(crate) async fn update(
    state: State<Arc<World>>,
    object_type: OfType,
    body: Body<Batch<Input>>,
) -> Result<Response, Refusal> {
    write(&state, object_type.0, Verb::Update, body.0.inputs)
}

pub(crate) async fn upsert(
    state: State<Arc<World>>,
    object_type: OfType,
    body: Body<Batch<Input>>,
) -> Result<Response, Refusal> {
    write(&state, object_type.0, Verb::Upsert, body.0.inputs)
}

pub(crate) async fn read(
    State(world): State<Arc<World>>,
    OfType(object_type): OfType,
    Body(batch): Body<ReadBatch>,
) -> Result<Response, Refusal> {
    check_size(batch.inputs.len())?;
    let portal = world.portal();
    let table = portal.table(object_type);
    let (mut results, mut missing) = (Vec::new(), Vec::new());
    for Key { id } in &batch.inputs {
        match table.find(id, batch.id_property.as_deref(), false)? {
            Some(record) => results.push(record.show(object_type, &batch.properties)),
            None => missing.push(id.as_str()),
        }
    }
    let mut errors = Vec::new();
    if !missing.is_empty() {
        let message = format!(
            "Could not get some {} objects, they may be deleted or not exist. Check that ids are \
             valid.",
            object_type.singular().to_uppercase()
        );
        let mut refusal = Refusal::new(404, "OBJECT_NOT_FOUND", message);
        refusal.context.insert("ids".into(), json!(missing));
        errors.push(refusal.batch_entry());
    }
    Ok(answer(StatusCode::OK, results, &errors, world.now()))
}

pub(crate) async fn archive(
    State(world): State<Arc<World>>,
    OfType(object_type): OfType,
    Body(batch): Body<Batch<Key>>,
) -> Result<Response, Refusal> {
    check_size(batch.inputs.len())?;
    let mut portal = world.portal();
    let table = portal.table_mut(object_type);
    for Key { id } in &batch.inputs {
        table.archive(id.parse().unwrap_or(0), world.now());
    }
    Ok((StatusCode::NO_CONTENT, Extension(Applied)).into_response())
}

fn check_size(inputs: usize) -> Result<(), Refusal> {
    match inputs {
        0 => Err(Refusal::validation("inputs must not be empty")),
        1..=MAX_INPUTS => Ok(()),
        _ => Err(Refusal::validation(format!("A batch takes at most {MAX_INPUTS} inputs."))),
    }
}

/// All inputs take effect or none does, unless each carries its own `objectWriteTraceId`: then
/// the good ones do and the others are reported under theirs.
fn write(
    world: &World,
    object_type: ObjectType,
    verb: Verb,
    inputs: Vec<Input>,
) -> Result<Response, Refusal> {
    check_size(inputs.len())?;
    if verb != Verb::Create {
        refuse_repeated_ids(&inputs)?;
    }
    let partial = all_traced(&inputs);
    let now = world.now();
    let mut portal = world.portal();
    let table = portal.table_mut(object_type);
    let (mut results, mut errors, mut undo) = (Vec::new(), Vec::new(), Vec::new());
    for input in inputs {
        let trace = input.object_write_trace_id.clone();
        match one(table, object_type, verb, input, now, &mut undo) {
            Ok(mut shown) => {
                if let (Some(trace), Some(members)) = (trace, shown.as_object_mut()) {
                    members.insert("objectWriteTraceId".into(), trace.into());
                }
                results.push(shown);
            }
            Err(refusal) if partial => {
                let trace = trace.unwrap_or_default();
                errors.push(refusal.context("objectWriteTraceId", &trace).batch_entry());
            }
            Err(refusal) => {
                undo.into_iter().rev().for_each(|(id, earlier)| table.restore(id, earlier));
                return Err(refusal);
            }
        }
    }
    let success = if verb == Verb::Create { StatusCode::CREATED } else { StatusCode::OK };
    let applied = !results.is_empty();
    let mut response = answer(success, results, &errors, now);
    if applied {
        response.extensions_mut().insert(Applied);
    }
    Ok(response)
}

type Undo = Vec<(u64, Option<Record>)>;

fn one(
    table: &mut Table,
    object_type: ObjectType,
    verb: Verb,
    input: Input,
    now: Timestamp,
    undo: &mut Undo,
) -> Result<Value, Refusal> {
    let Input { id, id_property, mut properties, .. } = input;
    let found = match verb {
        Verb::Create => None,
        Verb::Update | Verb::Upsert => {
            table.find(&id, id_property.as_deref(), false)?.map(|record| record.id)
        }
    };
    let record = match (verb, found) {
        (_, Some(key)) => {
            undo.push((key, table.remember(key)));
            table.update(key, properties, now)?
        }
        (Verb::Update, None) => return Err(Refusal::not_found(object_type, &id)),
        (Verb::Upsert, None) => {
            let Some(property) = id_property else {
                return Err(Refusal::not_found(object_type, &id));
            };
            properties.entry(property).or_insert(id);
            table.create(properties, now)?
        }
        (Verb::Create, None) => table.create(properties, now)?,
    };
    if found.is_none() {
        undo.push((record.id, None));
    }
    let mut shown = record.show(object_type, &names(record.values.keys()));
    if verb == Verb::Upsert
        && let Some(members) = shown.as_object_mut()
    {
        members.insert("new".into(), found.is_none().into());
    }
    Ok(shown)
}

fn all_traced(inputs: &[Input]) -> bool {
    let traces: HashSet<_> =
        inputs.iter().filter_map(|input| input.object_write_trace_id.as_deref()).collect();
    traces.len() == inputs.len()
}

fn refuse_repeated_ids(inputs: &[Input]) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    match inputs.iter().find(|input| !seen.insert(input.id.to_lowercase())) {
        None => Ok(()),
        Some(input) => Err(Refusal::validation(format!(
            "Duplicate IDs found in batch input: [{}]. IDs must be unique",
            input.id
        ))),
    }
}

fn answer(success: StatusCode, results: Vec<Value>, errors: &[Value], now: Timestamp) -> Response {
    let at = iso(now);
    let mut body = json!({
        "status": "COMPLETE",
        "startedAt": at,
        "completedAt": at,
    });
    if let Some(members) = body.as_object_mut() {
        members.insert("results".into(), results.into());
        if errors.is_empty() {
            return (success, Json(body)).into_response();
        }
        members.insert("numErrors".into(), errors.len().into());
        members.insert("errors".into(), errors.into());
    }
    (StatusCode::MULTI_STATUS, Json(body)).into_response()
}
