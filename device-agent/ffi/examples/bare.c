// The agent in C on a Cortex-M4 without any C library, as QEMU runs it: it starts, asks, refuses a
// message, and keeps its records in memory. tests/checks/firmware.sh builds and runs it. A product
// has its own vector table, flash and UART; what is to be seen here is all that the library needs.
#include "fleetgrant.h"

// --- What a board brings ------------------------------------------------------------------------

int main(void);
extern uint32_t _stack_top;

// Semihosting (Arm IHI 0109): the host writes the text, or ends the emulation.
static int host(int operation, const void *argument) {
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void say(const char *text) { host(0x04, text); }

static void stop(int code) {
    const uint32_t block[2] = {0x20026 /* ADP_Stopped_ApplicationExit */, (uint32_t)code};
    for (;;) host(0x20, block);
}

// What the agent calls if it ever panics.
_Noreturn void fg_panic(void) {
    say("panic\n");
    stop(101);
    for (;;) {
    }
}

static void reset(void) { stop(main()); }

static void fault(void) { stop(102); }

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    &_stack_top, (const void *)reset, (const void *)fault, (const void *)fault,
};

// --- Storage, keys and randomness ---------------------------------------------------------------

static uint8_t records[4][512];
static size_t lens[4];

static int32_t load(void *user, uint32_t record, size_t offset, uint8_t *buffer, size_t len,
                    size_t *loaded) {
    (void)user;
    for (*loaded = 0; *loaded < len && offset + *loaded < lens[record]; ++*loaded) {
        buffer[*loaded] = records[record][offset + *loaded];
    }
    return FG_STATUS_OK;
}

static int32_t store(void *user, uint32_t record, const fg_slice *parts, size_t parts_len) {
    (void)user;
    size_t len = 0;
    for (size_t i = 0; i < parts_len; i++) {
        if (parts[i].len > sizeof records[record] - len) return FG_STATUS_STORAGE_FULL;
        for (size_t j = 0; j < parts[i].len; j++) records[record][len++] = parts[i].data[j];
    }
    lens[record] = len;
    return FG_STATUS_OK;
}

static int32_t certificate(void *user, size_t index, fg_slice *out) {
    static const uint8_t leaf[400] = {0x30, 0x82, 0x01, 0x8c};
    (void)user;
    if (index > 0) return FG_STATUS_NOTHING;
    *out = (fg_slice){leaf, sizeof leaf};
    return FG_STATUS_OK;
}

static int32_t fill_random(void *user, uint8_t *buffer, size_t len) {
    static uint32_t state = 1;
    (void)user;
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525 + 1013904223;
        buffer[i] = (uint8_t)(state >> 24);
    }
    return FG_STATUS_OK;
}

// --- The device ---------------------------------------------------------------------------------

static int failed(const char *what, fg_status status) {
    say(what);
    say(": ");
    say(fg_status_name(status));
    say("\n");
    return 1;
}

int main(void) {
    static uint64_t memory[512];
    static uint8_t request[1024], message[1024], scratch[1024];
    static const uint8_t key[32] = {1};
    static const char *const features[] = {"zoom"};
    // G, the base point: the public key of the private key 1.
    static const fg_authority_key authority = {
        .key = {.x = {0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6,
                      0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb,
                      0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96},
                .y = {0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb,
                      0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31,
                      0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5}},
        .not_before = 0,
        .not_after = 253402300799,
        .epoch = 1,
        .role = FG_ROLE_GRANTS,
    };
    const fg_config config = {
        .device = "dev-bare",
        .realm = "acme",
        .features = features,
        .features_len = 1,
        .authority_keys = &authority,
        .authority_keys_len = 1,
        .max_down = sizeof message,
        .request = request,
        .request_len = sizeof request,
        .scratch = scratch,
        .scratch_len = sizeof scratch,
        .storage = {.load = load, .store = store},
        .keys = {.private_key = key, .certificate = certificate, .random = fill_random},
    };
    if (fg_agent_size() > sizeof memory) return failed("memory", FG_STATUS_MEMORY);
    fg_agent *agent = NULL;
    fg_status status = fg_agent_start((uint8_t *)memory, sizeof memory, &config, 0, &agent);
    if (status != FG_STATUS_OK) return failed("start", status);
    if (lens[FG_RECORD_STATE] == 0) return failed("state", FG_STATUS_NOTHING);
    fg_agent_handle_timeout(agent, 0);
    fg_transmit transmit;
    status = fg_agent_poll_transmit(agent, message, sizeof message, &transmit);
    if (status != FG_STATUS_OK) return failed("request", status);
    if (transmit.message != FG_MESSAGE_REQUEST) return failed("request", FG_STATUS_NOTHING);
    // Its own request is no message of the authority's.
    status = fg_agent_handle_message(agent, FG_MESSAGE_GRANT, message, transmit.len, 1, NULL);
    if (status != FG_STATUS_OTHER_TOPIC) return failed("refusal", status);
    if (fg_agent_is_on(agent, "zoom", 1, NULL) != FG_STATUS_FEATURE_OFF) return failed("zoom", 0);
    say("the agent in C started, asked and refused\n");
    return 0;
}
