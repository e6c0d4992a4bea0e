TOKEN="@TOKEN@"
BASE="@URL@"
# List models
curl -s -X POST "$BASE" \
-H "Content-Type: application/json" \
-H "Authorization: Bearer $TOKEN" \
-d '{"action":"models"}'
# Generate with pre-compliance context forwarded from a Ban Word Service
curl -s -X POST "$BASE" \
-H "Content-Type: application/json" \
-H "Authorization: Bearer $TOKEN" \
-d '{"action":"generate","prompt":"@PROMPT@","model":"eros","style":"professional","compliance_ruleset":"default","precompliance":"ban-word-service v3.2: no banned tokens matched"}'
# Poll status (replace JOB_ID)
curl -s -X POST "$BASE" \
-H "Content-Type: application/json" \
-H "Authorization: Bearer $TOKEN" \
-d '{"action":"status","id":"JOB_ID","prompt":"@aya ...","model":"eros"}'
