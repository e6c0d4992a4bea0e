-- how many at most -> of each delivery, the latest first: job's id, owner, state, webhook, tries, outcome, began, due
local found = {}
for _, id in ipairs(redis.call('ZREVRANGE', WEBHOOKS_KEPT, 0, ARGV[1] - 1)) do
  local known = redis.call('HMGET', WEBHOOK_PREFIX .. id, 'owner', 'state', 'webhook', 'tries', 'outcome', 'began', 'lane')
  if known[1] then
    local due = redis.call('ZSCORE', WEBHOOK_LANE_PREFIX .. known[7], id)
    found[#found + 1] = {id, known[1], known[2], known[3], tonumber(known[4]), known[5] or '', tonumber(known[6]), due and tonumber(due) or 0}
  end
end
return found
