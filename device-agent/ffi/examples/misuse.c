// The header in a C program with mistakes: the library refuses them, and with the sanitizers on
// nothing is touched that should not be. Run by tests/checks/ffi.sh.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleetgrant.h"

static int32_t no_record(void *user, uint32_t record, size_t offset, uint8_t *buffer, size_t len,
                         size_t *loaded) {
    (void)user, (void)record, (void)offset, (void)buffer, (void)len;
    *loaded = 0;
    return FG_STATUS_OK;
}

static int32_t stored(void *user, uint32_t record, const fg_slice *parts, size_t parts_len) {
    // Every byte is read, so that a sanitizer sees whether it is there.
    size_t *sum = user;
    (void)record;
    for (size_t i = 0; i < parts_len; i++) {
        for (size_t j = 0; j < parts[i].len; j++) *sum += parts[i].data[j];
    }
    return FG_STATUS_OK;
}

static int32_t no_certificate(void *user, size_t index, fg_slice *certificate) {
    (void)user, (void)index, (void)certificate;
    return FG_STATUS_NOTHING;
}

static int32_t counted(void *user, uint8_t *buffer, size_t len) {
    (void)user;
    memset(buffer, 7, len);
    return FG_STATUS_OK;
}

int main(void) {
    size_t sum = 0, size = fg_agent_size(), align = fg_agent_align();
    uint8_t scalar[32] = {1}, request[512], scratch[512], buffer[600];
    const char *features[] = {"zoom"};
    fg_config config = {
        .device = "scope-4711",
        .realm = "acme",
        .features = features,
        .features_len = 1,
        .max_down = 512,
        .request = request,
        .request_len = sizeof request,
        .scratch = scratch,
        .scratch_len = sizeof scratch,
        .storage = {.user = &sum, .load = no_record, .store = stored},
        .keys = {.private_key = scalar, .certificate = no_certificate, .random = counted},
    };
    // Exactly as much as it asks for: a byte past it is seen.
    uint8_t *memory = aligned_alloc(align, size);
    assert(memory != NULL);
    memset(memory, 0, size);
    fg_agent *agent = NULL;
    assert(fg_agent_start(memory, size - 1, &config, 0, &agent) == FG_STATUS_MEMORY);
    assert(fg_agent_start(memory, size, NULL, 0, &agent) == FG_STATUS_NULL_POINTER);
    assert(fg_agent_resend((fg_agent *)memory, 0) == FG_STATUS_NOT_STARTED);
    assert(fg_agent_start(memory, size, &config, 0, &agent) == FG_STATUS_OK);
    assert(sum > 0);

    assert(fg_agent_is_on(agent, "zoom", 0, NULL) == FG_STATUS_FEATURE_OFF);
    assert(fg_agent_is_on(agent, NULL, 0, NULL) == FG_STATUS_TEXT);
    assert(fg_agent_poll_event(agent, NULL) == FG_STATUS_NULL_POINTER);
    fg_right right;
    size_t count;
    assert(fg_agent_rights(agent, scratch, sizeof scratch, NULL, 1, &count) ==
           FG_STATUS_NULL_POINTER);
    assert(fg_agent_rights(agent, scratch, sizeof scratch, &right, 1, &count) == FG_STATUS_NOTHING);
    assert(fg_agent_handle_message(agent, FG_MESSAGE_GRANT, NULL, 5, 0, NULL) ==
           FG_STATUS_NULL_POINTER);
    // Garbage of every length, at the end of an allocation.
    for (size_t len = 0; len < 200; len++) {
        uint8_t *bytes = malloc(len + 1);
        assert(bytes != NULL);
        memset(bytes, 0xd2, len + 1);
        fg_taken taken;
        fg_status status = fg_agent_handle_message(agent, 1 + (uint32_t)(len % 5), bytes + 1, len,
                                                   1000 * len, &taken);
        assert(status != FG_STATUS_OK && fg_status_name(status) != NULL);
        free(bytes);
    }
    // Without a certificate no request can be made, and it says so.
    assert(fg_agent_handle_timeout(agent, 300000) == FG_STATUS_OK);
    fg_transmit transmit;
    assert(fg_agent_poll_transmit(agent, buffer, sizeof buffer, &transmit) == FG_STATUS_NOTHING);
    fg_event event;
    int32_t last = 0;
    while (fg_agent_poll_event(agent, &event) == FG_STATUS_OK) last = event.reason;
    assert(last == FG_STATUS_NO_CERTIFICATE);
    assert(fg_agent_end(agent) == FG_STATUS_OK);
    assert(fg_agent_end(agent) == FG_STATUS_NOT_STARTED);
    free(memory);
    puts("refused, every one");
    return 0;
}
