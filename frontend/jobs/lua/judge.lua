-- id, sha256 of the picture that was judged, verdict; for the cache: vector ('' for none), encoder, the log's length
-- -> 1 if it is this job's verdict now; the first one stays
local id, sha256, verdict, vector, encoder, length = unpack(ARGV)
if get(id, 'state') ~= 'REVIEWING' or get(id, 'sha256') ~= sha256 then return 0 end
if vector ~= '' then
  -- First, since it is the write that may be refused. At no other moment does a picture enter the cache.
  redis.call('XADD', CACHE, 'MAXLEN', '~', length, '*', 'record', get(id, 'record'), 'picture', get(id, 'picture'),
    'verdict', verdict, 'vector', vector, 'encoder', encoder)
end
redis.call('HSET', key(id), 'state', 'COMPLETED', 'verdict', verdict)
local told, owner = cjson.decode(verdict), get(id, 'owner')
if told.compliance == 'unsafe' then use(id, owner, 'blocked', 1) end
audit('verdict', 'job', id, 'key', owner, 'sha256', sha256, 'compliance', told.compliance, 'ruleset', told.ruleset,
  'version', told.ruleset_version or '')
keep(id)
owe_webhook(id)
tell(id)
return 1
