//! What an operator does to an activation code: where it stands afterwards, or why it may not be done.
//!
//! A code holds no units of its entitlement until it is used, so a code that is void gives none back:
//! what it could have given stays in the pool, for other codes or for whoever else may draw on it.

use crate::domain::CodeState;

/// Why a code is not made void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoidError {
    /// Nothing is left of it.
    #[error(
        "all its uses are used up, so there is nothing left to redeem: revoke what it gave on the \
         device (`fleetgrant activations revoke`)"
    )]
    Used,
}

/// Where a code stands after it was made void; none, if it is so already. What was redeemed stays.
///
/// # Errors
/// [`VoidError::Used`] if no use is left that somebody could be kept from.
pub const fn void(state: CodeState) -> Result<Option<CodeState>, VoidError> {
    match state {
        CodeState::Free | CodeState::PartlyUsed => Ok(Some(CodeState::Void)),
        CodeState::Void => Ok(None),
        CodeState::Used => Err(VoidError::Used),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_redeemed_becomes_void_and_what_is_used_up_does_not() {
        for (state, after) in [
            (CodeState::Free, Ok(Some(CodeState::Void))),
            (CodeState::PartlyUsed, Ok(Some(CodeState::Void))),
            (CodeState::Void, Ok(None)),
            (CodeState::Used, Err(VoidError::Used)),
        ] {
            assert_eq!(void(state), after, "{state}");
        }
    }
}
