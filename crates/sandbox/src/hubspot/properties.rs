//! `GET /crm/v3/properties/{type}` and `/{name}`

use axum::Json;
use serde_json::{Value, json};

use super::{
    body::{Named, OfType},
    object::{ObjectType, PropertyDef, ValueKind},
    refusal::Refusal,
};

pub(crate) async fn list(OfType(object_type): OfType) -> Json<Value> {
    let results: Vec<_> =
        object_type.properties().iter().map(|def| show(object_type, def)).collect();
    Json(json!({"results": results}))
}

pub(crate) async fn read(
    OfType(object_type): OfType,
    Named(name): Named,
) -> Result<Json<Value>, Refusal> {
    let Some(def) = object_type.property(&name) else {
        let message = format!("Property with name {name} does not exist.");
        return Err(Refusal::new(404, "OBJECT_NOT_FOUND", message));
    };
    Ok(Json(show(object_type, def)))
}

fn show(object_type: ObjectType, def: &PropertyDef) -> Value {
    let (kind, field, options): (_, _, &[&str]) = match def.kind {
        ValueKind::Text => ("string", "text", &[]),
        ValueKind::Number => ("number", "number", &[]),
        ValueKind::DateTime => ("datetime", "date", &[]),
        ValueKind::Choice(options) => ("enumeration", "select", options),
    };
    let options: Vec<_> = options
        .iter()
        .enumerate()
        .map(|(order, value)| {
            json!({"label": value, "value": value, "displayOrder": order, "hidden": false})
        })
        .collect();
    let group = format!("{}information", object_type.singular().to_lowercase());
    json!({
        "name": def.name,
        "label": def.label,
        "type": kind,
        "fieldType": field,
        "description": "",
        "groupName": group,
        "options": options,
        "displayOrder": -1,
        "calculated": false,
        "externalOptions": false,
        "hasUniqueValue": def.unique,
        "hidden": false,
        "hubspotDefined": def.name != "external_id",
        "formField": !def.read_only,
        "modificationMetadata": {
            "archivable": def.name == "external_id",
            "readOnlyDefinition": true,
            "readOnlyValue": def.read_only,
        },
    })
}
