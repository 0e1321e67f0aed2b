-- Sends each request to the agent for evaluation, and stores the decision in variables of the
-- transaction.

local SOCKET = os.getenv("DIRECTIVES_SOCKET") or "/tmp/directives.sock"
local TIMEOUT_MS = 50

-- Only values whose characters need no escape go into the JSON. Any other value counts as unknown.
-- An unknown value matches fewer directives, never more.
local function plain(text)
    if text and #text <= 128 and text:match("^[%w_.@-]+$") then
        return text
    end
end

local ENDPOINTS = {
    _search = "Search", _msearch = "MultiSearch", _count = "Count",
    _bulk = "IngestBulk", _mget = "MultiGet",
}
local ON_DOCUMENT = { GET = "GetById", HEAD = "GetById", DELETE = "DeleteById" }

local function endpoint_of(method, path)
    if path:match("/_doc/") or path:match("/_create/") then
        return ON_DOCUMENT[method] or "IngestDoc"
    end
    return ENDPOINTS[path:match("/([^/]+)$")] or "Unknown"
end

local function evaluate(txn)
    local path = txn.sf:path() or "/"
    local tenant = plain(txn.sf:req_hdr("X-Tenant"))
    local body = string.format(
        '{%s"index":"%s","principal":"%s","endpoint":"%s","request_id":"%s"}',
        tenant and string.format('"tenant":"%s",', tenant) or "",
        path:match("^/([a-z0-9][a-z0-9_.-]*)/") or "_all",
        plain(txn.sf:req_hdr("X-Principal")) or "unknown",
        endpoint_of(txn.sf:method(), path),
        txn:get_var("txn.request_id"))
    local response = core.httpclient():post{
        url = "http://agent/v1/evaluate",
        dst = "unix@" .. SOCKET,
        headers = { ["content-type"] = { "application/json" } },
        body = body,
        timeout = TIMEOUT_MS,
    }
    -- Without a decision, no variable is set, and nothing applies.
    if response.status ~= 200 then
        return
    end
    for _, name in ipairs({ "level", "ring-buffer", "capture" }) do
        local values = response.headers["directives-" .. name]
        txn:set_var("txn." .. name:gsub("-", "_"), values and values[0])
    end
end

core.register_action("directives", { "http-req" }, function(txn)
    -- The request continues after any error.
    local ok, problem = pcall(evaluate, txn)
    if not ok then
        txn:Warning("no directives: " .. tostring(problem))
    end
end)
