-- Gives one worker slabs of one name's limits, atomically, by the server's own clock.
--
-- KEYS[1]  hash of the name: level and limit of both buckets, the time they were filled to, places by worker
-- ARGV     worker, rpm, owed requests, wanted requests, tpm, owed tokens, wanted tokens,
--          concurrency, calls inside, wanted places, lifetime of places in ms, lifetime of the hash in ms
-- returns  given requests, level * 1000 after, given tokens, level * 1000 after, places held
--
-- What is owed was used already and is taken whatever is there; what is wanted is given as far as it is there, in whole
-- units; wanting less than nothing gives back. A bucket owes at most a minute's worth.
local key, worker = KEYS[1], ARGV[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function bucket(kind, limit, owed, wanted)
  if limit == 0 then
    return 0, 0
  end
  local kept = redis.call('HMGET', key, kind .. ':level', kind .. ':at', kind .. ':limit')
  local level, at, old = tonumber(kept[1]) or limit, tonumber(kept[2]) or now, tonumber(kept[3]) or limit
  level = level + math.max(0, limit - old)
  level = math.min(limit, level + math.max(0, now - at) * limit / 60000) - owed
  local given = math.min(wanted, math.max(0, math.floor(level + 0.000001)))
  level = math.max(-limit, math.min(limit, level - given))
  redis.call('HSET', key, kind .. ':level', string.format('%.9f', level), kind .. ':at', now, kind .. ':limit', limit)
  return given, math.floor(level * 1000)
end

local requests, requests_left = bucket('r', tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]))
local tokens, tokens_left = bucket('t', tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]))

local places, limit, inside = 0, tonumber(ARGV[8]), tonumber(ARGV[9])
if limit > 0 then
  local others = 0
  local all = redis.call('HGETALL', key)
  for index = 1, #all, 2 do
    local field = all[index]
    if string.sub(field, 1, 2) == 'p:' and field ~= 'p:' .. worker then
      local count, ends = string.match(all[index + 1], '^(%d+) (%d+)$')
      if tonumber(ends) <= now then
        redis.call('HDEL', key, field)
      else
        others = others + tonumber(count)
      end
    end
  end
  places = math.max(inside, math.min(tonumber(ARGV[10]), limit - others))
  if places > 0 then
    redis.call('HSET', key, 'p:' .. worker, places .. ' ' .. string.format('%d', now + tonumber(ARGV[11])))
  else
    redis.call('HDEL', key, 'p:' .. worker)
  end
end
redis.call('PEXPIRE', key, tonumber(ARGV[12]))
return { requests, requests_left, tokens, tokens_left, places }
