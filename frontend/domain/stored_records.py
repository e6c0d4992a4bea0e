"""Records as Redis holds them: JSON. All raise msgspec.MsgspecError."""

import msgspec

from frontend.domain.job import Job
from frontend.domain.picture import StoredPicture
from frontend.domain.verdict import Verdict

decode_job = msgspec.json.Decoder(Job).decode
decode_picture = msgspec.json.Decoder(StoredPicture).decode
decode_verdict = msgspec.json.Decoder(Verdict).decode
