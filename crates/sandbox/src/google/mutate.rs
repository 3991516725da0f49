//! Changing campaigns and uploading conversions: many operations, each for itself when asked.

use axum::response::Response;
use connectus_core::Timestamp;
use serde_json::{Value, json};

use super::{
    customer::Customers,
    done, gate,
    refusal::{Refusal, failure},
};
use crate::asked::Asked;

/// Most operations of one call.
const MAX_OPERATIONS: usize = 10_000;
/// Most conversions of one call.
const MAX_CONVERSIONS: usize = 2_000;

/// Does each operation; what fails is named by its place.
fn each(
    customers: &mut Customers,
    asked: &Asked,
    (list, max): (&str, usize),
    now: Timestamp,
    mut one: impl FnMut(&mut Customers, &Value) -> Result<Value, Value>,
) -> Result<Response, Refusal> {
    let items = asked.body.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
    if items.is_empty() || items.len() > max {
        let message = format!("`{list}` must hold 1 to {max} items.");
        return Err(Refusal::invalid("rangeError", "TOO_HIGH", &message));
    }
    gate::spend(customers, u32::try_from(items.len()).unwrap_or(u32::MAX), now)?;
    let partial = asked.body.get("partialFailure").and_then(Value::as_bool).unwrap_or(false);
    let before =
        (customers.campaigns.clone(), customers.changes.len(), customers.conversions.len());
    let (mut results, mut errors) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        match one(customers, item) {
            Ok(result) => results.push(result),
            Err(mut error) => {
                let place = json!([{"fieldName": list, "index": index}]);
                error["location"] = json!({"fieldPathElements": place});
                errors.push(error);
                results.push(json!({}));
            }
        }
    }
    if errors.is_empty() {
        return Ok(done(&json!({"results": results})));
    }
    if !partial {
        customers.campaigns = before.0;
        customers.changes.truncate(before.1);
        customers.conversions.truncate(before.2);
        return Err(Refusal::of_errors(errors));
    }
    let error = json!({
        "code": 3,
        "message": "Multiple errors in 'details'.",
        "details": [failure(&errors)],
    });
    Ok(done(&json!({"results": results, "partialFailureError": error})))
}

fn wrong(kind: &str, word: &str, message: &str) -> Value {
    json!({"errorCode": {kind: word}, "message": message})
}

pub(super) fn campaigns(
    customers: &mut Customers,
    asked: &Asked,
    customer: &str,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let list = ("operations", MAX_OPERATIONS);
    each(customers, asked, list, now, |customers, operation| {
        let update = &operation["update"];
        let name = update["resourceName"].as_str().unwrap_or_default();
        let owned = name.starts_with(&format!("customers/{customer}/"));
        let found = customers
            .campaigns
            .iter_mut()
            .find(|row| owned && row.get("campaign.resource_name").is_some_and(|own| own == name));
        let Some(row) = found else {
            return Err(wrong("mutateError", "RESOURCE_NOT_FOUND", "Resource was not found."));
        };
        let mask = operation["updateMask"].as_str().unwrap_or_default();
        if mask.is_empty() {
            let message = "The field mask is missing.";
            return Err(wrong("fieldMaskError", "FIELD_MASK_MISSING", message));
        }
        for field in mask.split(',') {
            let value = &update[field];
            if field == "status" && !["ENABLED", "PAUSED"].iter().any(|known| value == known) {
                let message = "Enum value 'status' cannot be used.";
                return Err(wrong("enumError", "ENUM_VALUE_NOT_PERMITTED", message));
            }
            if !["status", "name"].contains(&field) {
                let message = format!("The field mask contains an invalid field: '{field}'.");
                return Err(wrong("fieldMaskError", "INVALID_FIELD", &message));
            }
            row.insert(format!("campaign.{field}"), value.clone());
        }
        customers.changed(name, "CHANGED", now);
        Ok(json!({"resourceName": name}))
    })
}

pub(super) fn conversions(
    customers: &mut Customers,
    asked: &Asked,
    now: Timestamp,
) -> Result<Response, Refusal> {
    // These are uploaded one by one or not at all.
    if asked.body.get("partialFailure") != Some(&Value::Bool(true)) {
        let message = "partial_failure must be set to true.";
        return Err(Refusal::invalid(
            "conversionUploadError",
            "PARTIAL_FAILURE_MODE_REQUIRED",
            message,
        ));
    }
    let list = ("conversions", MAX_CONVERSIONS);
    each(customers, asked, list, now, |customers, conversion| {
        let has = |name: &str| conversion[name].as_str().is_some_and(|text| !text.is_empty());
        for name in ["gclid", "conversionAction", "conversionDateTime"] {
            if !has(name) {
                let message = format!("The required field was not present: {name}");
                return Err(wrong("fieldError", "REQUIRED", &message));
            }
        }
        let kept = json!({
            "gclid": conversion["gclid"],
            "conversionAction": conversion["conversionAction"],
            "conversionDateTime": conversion["conversionDateTime"],
        });
        if customers.conversions.contains(&kept) {
            let message = "The same conversion was uploaded before.";
            let word = "CLICK_CONVERSION_ALREADY_EXISTS";
            return Err(wrong("conversionUploadError", word, message));
        }
        customers.conversions.push(kept.clone());
        Ok(kept)
    })
}
