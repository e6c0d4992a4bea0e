-- For wrk: POSTs the bodies of a file (one a line) in turn, with the key in BENCH_KEY; ends with one line of JSON.
local requests, at = {}, 0

function init(arguments)
  local headers = {
    ['Authorization'] = 'Bearer ' .. os.getenv('BENCH_KEY'),
    ['Content-Type'] = 'application/json',
  }
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format('POST', nil, headers, body)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"microseconds":%d,"p50_us":%d,"p99_us":%d,"failed":%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
