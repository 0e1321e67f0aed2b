-- Sends each request to the agent for evaluation, and stores the decision in variables of the
-- transaction.

local SOCKET = os.getenv("DIRECTIVES_SOCKET") or "/tmp/directives.sock"
local TIMEOUT_MS = 50

-- Returns the header of a check, which has no value if the attribute is unknown.
local function header(value)
    return value and value ~= "" and { value } or nil
end

-- The agent derives the endpoint and the indices from the client's method and path.
local function evaluate(txn)
    local response = core.httpclient():get{
        url = "http://agent/v1/ext_authz/",
        dst = "unix@" .. SOCKET,
        headers = {
            ["x-forwarded-method"] = { txn.sf:method() },
            ["x-forwarded-uri"] = { txn.sf:path() or "/" },
            ["x-request-id"] = { txn:get_var("txn.request_id") },
            ["directives-tenant"] = header(txn.sf:req_hdr("X-Tenant")),
            ["directives-principal"] = header(txn.sf:req_hdr("X-Principal")),
        },
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
