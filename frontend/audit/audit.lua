-- Adds an entry to the audit log: its kind, then names and values, of which none is a prompt or a secret. Each holds the
-- digest of itself and of the one before, so that none is changed, left out or put in between unnoticed.
local function audit(kind, ...)
  local time, fields = redis.call('TIME'), {...}
  local at = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
  local words = {redis.call('GET', AUDIT_HEAD) or '', at, kind, ...}
  local digest = redis.sha1hex(table.concat(words, '\0'))
  redis.call('XADD', AUDIT, '*', 'at', at, 'kind', kind, 'digest', digest, unpack(fields))
  redis.call('SET', AUDIT_HEAD, digest)
end
