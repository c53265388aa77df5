//! From rows to an outcome. Pure.

use crate::domain::{CheckOutcome, SubjectRow};

/// Pass = at least `min_subjects` subjects and all right. A wrong one fails; an undecided one, or too few, is Unknown.
pub fn judge(rows: &[SubjectRow], min_subjects: u64, none_is_not_applicable: bool) -> CheckOutcome {
    let wrong = rows.iter().filter(|row| row.ok == Some(false)).count();
    let undecided = rows.iter().filter(|row| row.ok.is_none()).count();
    let decided = rows.len() - undecided;
    if wrong > 0 {
        CheckOutcome::Fail
    } else if rows.is_empty() && none_is_not_applicable {
        CheckOutcome::NotApplicable("there is no object of the kind".into())
    } else if undecided > 0 {
        let first = rows.iter().find(|row| row.ok.is_none()).map(|row| format!("{}: {}", row.subject, row.observed)).unwrap_or_default();
        CheckOutcome::Unknown(format!("{decided} of {} decided; {first}", rows.len()))
    } else if rows.is_empty() && min_subjects > 0 {
        CheckOutcome::Unknown("nothing examined".into())
    } else if (rows.len() as u64) < min_subjects {
        CheckOutcome::Unknown(format!("{} examined, at least {min_subjects} needed", rows.len()))
    } else if rows.is_empty() {
        CheckOutcome::Unknown("nothing examined".into())
    } else {
        CheckOutcome::Pass
    }
}
