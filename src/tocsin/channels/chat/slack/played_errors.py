"""What Slack can answer, for who plays it: https://docs.slack.dev/reference/methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.ports.simulator import Dial

_GONE: Final = """
is_archived is_inactive channel_is_archived messages_tab_disabled no_service no_service_id
no_active_hooks no_team team_disabled
"""
_REFUSED: Final = """
channel_not_found user_not_found team_not_found user_not_in_channel not_in_channel
restricted_action restricted_action_read_only_channel restricted_action_thread_only_channel
restricted_action_non_threadable_channel posting_to_general_channel_denied action_prohibited
invalid_token cannot_reply_to_message cant_update_message edit_window_closed message_not_found
external_channel_migrating slack_connect_file_link_sharing_blocked duplicate_channel_not_found
not_authed invalid_auth token_revoked token_expired account_inactive not_allowed_token_type
org_login_required two_factor_setup_required enterprise_is_restricted missing_scope
ekm_access_denied no_permission access_denied accesslimited team_access_not_granted
as_user_not_supported method_deprecated deprecated_endpoint unknown_method
metadata_must_be_sent_from_app no_text invalid_blocks invalid_blocks_format block_mismatch
invalid_attachments attachment_payload_limit_exceeded markdown_text_conflict
invalid_metadata_format invalid_metadata_schema invalid_payload invalid_arguments
invalid_arg_name invalid_array_arg invalid_charset invalid_form_data invalid_post_type
missing_post_type cant_broadcast_message no_dual_broadcast_content_update
streaming_state_conflict msg_too_long msg_blocks_too_long too_many_attachments
metadata_too_large
"""
_LATER: Final = "ratelimited rate_limited message_limit_exceeded team_added_to_org"
_FAILED: Final = """
fatal_error internal_error service_unavailable request_timeout update_failed rollup_error
"""

CODES: Final[Mapping[str, Dial]] = {
    **dict.fromkeys(_GONE.split(), Dial.DEAD_ADDRESS),
    **dict.fromkeys(_REFUSED.split(), Dial.REFUSE),
    **dict.fromkeys(_LATER.split(), Dial.THROTTLE),
    **dict.fromkeys(_FAILED.split(), Dial.FAIL),
}

_PLAIN: Final = {
    **dict.fromkeys(("action_prohibited", "invalid_token"), 403),
    **dict.fromkeys(("no_service", "no_service_id", "no_active_hooks", "no_team"), 404),
    "channel_not_found": 404,
    **dict.fromkeys(("channel_is_archived", "team_disabled"), 410),
    "ratelimited": 429,
    **dict.fromkeys(_FAILED.split(), 500),
}


def plain_status(code: str) -> int:
    """Return the status with which a webhook says *code*."""
    return _PLAIN.get(code, 400)
