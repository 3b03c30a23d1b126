"""What ``[providers.whatsapp]`` may say."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tocsin.channels.chat.writing.acknowledging import AcknowledgeSettings
from tocsin.config import Secret
from tocsin.ports.provider import Burst, RatePerSecond


class WhatsAppSettings(AcknowledgeSettings, frozen=True, kw_only=True):
    """
    A business phone number at the Cloud API.

    Meta lets a number send 80 messages a second, more on request, and one message every six
    seconds to one person.
    """

    access_token: Annotated[
        Secret, Meta(description="The token of a system user with whatsapp_business_messaging.")
    ]
    phone_number_id: Annotated[
        str, Meta(pattern="^[0-9]{1,30}$", description="The id of the number that sends.")
    ]
    app_secret: Annotated[
        Secret | None,
        Meta(description="The app's secret, which signs webhooks; without it there are none."),
    ] = None
    verify_token: Annotated[
        Secret | None,
        Meta(description="What you entered as verify token when you set the webhook up."),
    ] = None
    api_url: Annotated[
        str,
        Meta(pattern="^https?://[^/]+/", description="Where the Graph API is, with its version."),
    ] = "https://graph.facebook.com/v24.0/"
    rate_per_second: RatePerSecond = 80.0
    burst: Burst = 80
