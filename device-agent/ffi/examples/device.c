// A device in C: the agent in a loop of poll(), its records in files, its messages over a serial
// line (here a Unix socket) to a bridge that speaks MQTT. Built and run by tests/checks/ffi.sh; to
// build it by hand see the README beside this folder.
//
//     device FOLDER DEVICE REALM EPOCH FEATURE…
//
// FOLDER holds what the factory wrote: key.bin (the private scalar, 32 bytes), leaf.der and
// issuer.der (the certificates), authority.bin (the authority's public key: x and y, 64 bytes). The
// records go there too, and the line.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fleetgrant.h"
#include "serial.h"

// When the firmware was built, in seconds since 1970: -DSW_BUILT=$SOURCE_DATE_EPOCH. 0: not told.
#ifndef SW_BUILT
#define SW_BUILT 0
#endif

enum { MAX_DOWN = 4096, MAX_UP = 4096, MAX_CERTIFICATE = 4096, MAX_FEATURES = 32 };

// --- Where records are kept: a file each, replaced by renaming a new one ------------------------

struct folder {
    int descriptor;
};

static const char *record_name(uint32_t record) {
    static const char *const names[] = {"set", "state", "keys", "usage"};
    return record < 4 ? names[record] : NULL;
}

static int32_t load(void *user, uint32_t record, size_t offset, uint8_t *buffer, size_t len,
                    size_t *loaded) {
    const struct folder *folder = user;
    int file = openat(folder->descriptor, record_name(record), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        *loaded = 0;
        return errno == ENOENT ? FG_STATUS_OK : FG_STATUS_STORAGE_READ;
    }
    ssize_t read = pread(file, buffer, len, (off_t)offset);
    close(file);
    if (read < 0) return FG_STATUS_STORAGE_READ;
    *loaded = (size_t)read;
    return FG_STATUS_OK;
}

static int32_t store(void *user, uint32_t record, const fg_slice *parts, size_t parts_len) {
    const struct folder *folder = user;
    int file = openat(folder->descriptor, "new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return FG_STATUS_STORAGE_WRITE;
    bool good = true;
    for (size_t i = 0; i < parts_len && good; i++) {
        good = parts[i].len == 0 ||
               write(file, parts[i].data, parts[i].len) == (ssize_t)parts[i].len;
    }
    // The bytes must be durable before their name is, and the name before this returns.
    good = fsync(file) == 0 && good;
    good = close(file) == 0 && good;
    good = good && renameat(folder->descriptor, "new", folder->descriptor,
                            record_name(record)) == 0;
    good = good && fsync(folder->descriptor) == 0;
    return good ? FG_STATUS_OK : FG_STATUS_STORAGE_WRITE;
}

// --- The device's key and certificates ----------------------------------------------------------

struct identity {
    uint8_t private_key[32];
    uint8_t certificates[2][MAX_CERTIFICATE];
    size_t lens[2];
};

static int32_t certificate(void *user, size_t index, fg_slice *out) {
    const struct identity *identity = user;
    if (index >= 2 || identity->lens[index] == 0) return FG_STATUS_NOTHING;
    *out = (fg_slice){identity->certificates[index], identity->lens[index]};
    return FG_STATUS_OK;
}

static int32_t fill_random(void *user, uint8_t *buffer, size_t len) {
    (void)user;
    return getrandom(buffer, len, 0) == (ssize_t)len ? FG_STATUS_OK : FG_STATUS_KEY_STORE;
}

// Bytes of the file; 0 if there is none.
static size_t read_file(const struct folder *folder, const char *name, uint8_t *bytes, size_t len) {
    int file = openat(folder->descriptor, name, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t read = pread(file, bytes, len, 0);
    close(file);
    return read < 0 ? 0 : (size_t)read;
}

// --- What happens -------------------------------------------------------------------------------

static void say(const fg_event *event, const char *const *features) {
    switch (event->kind) {
    case FG_EVENT_KIND_INSTALLED:
        printf("installed %llu denied %u\n", (unsigned long long)event->generation, event->denied);
        break;
    case FG_EVENT_KIND_NOTICE:
        printf("notice %u\n", event->notice);
        break;
    case FG_EVENT_KIND_KEYS_INSTALLED:
        printf("keys %llu\n", (unsigned long long)event->generation);
        break;
    case FG_EVENT_KIND_FEATURE_CHANGED:
        // Here a product starts or stops what the feature is.
        printf("%s %s\n", event->on ? "on" : "off", features[event->feature]);
        break;
    case FG_EVENT_KIND_REFUSED:
        printf("refused %s %s\n", fg_message_name(event->message), fg_status_name(event->reason));
        break;
    case FG_EVENT_KIND_STORAGE:
        printf("storage %s %s\n", record_name(event->record), fg_status_name(event->reason));
        break;
    case FG_EVENT_KIND_CANNOT_ASK:
        printf("cannot-ask %s\n", fg_status_name(event->reason));
        break;
    }
}

// What the maker attached to each right, which the agent does not keep in memory.
static void say_vendor_data(fg_agent *agent, uint8_t *scratch, size_t scratch_len) {
    static fg_right rights[64];
    size_t count = 0;
    if (fg_agent_rights(agent, scratch, scratch_len, rights, 64, &count) != FG_STATUS_OK) return;
    for (size_t i = 0; i < count; i++) {
        if (rights[i].vendor_data.len == 0) continue;
        printf("vendor-data %.*s ", (int)rights[i].feature.len, (const char *)rights[i].feature.data);
        for (size_t j = 0; j < rights[i].vendor_data.len; j++) {
            printf("%02x", rights[i].vendor_data.data[j]);
        }
        printf("\n");
    }
}

static uint64_t uptime(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int die(const char *what) {
    fprintf(stderr, "%s\n", what);
    return 1;
}

// A socket that waits for the bridge.
static int open_line(const char *folder) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int printed = snprintf(address.sun_path, sizeof address.sun_path, "%s/line", folder);
    if (printed < 0 || (size_t)printed >= sizeof address.sun_path) return -1;
    unlink(address.sun_path);
    int line = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (line < 0 || bind(line, (const struct sockaddr *)&address, sizeof address) != 0) return -1;
    return listen(line, 1) == 0 ? line : -1;
}

int main(int argc, char **argv) {
    // All memory there is: of the agent, of the messages, of the line.
    static uint64_t memory[2048];
    static uint8_t request[MAX_UP], message[2 * MAX_UP], scratch[MAX_DOWN];
    static struct receiver receiver;
    // A bridge that is gone is told by write(), which the line is opened again for.
    signal(SIGPIPE, SIG_IGN);
    static struct identity identity;
    struct folder folder;
    uint8_t authority[64];

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 5 || argc > 5 + MAX_FEATURES) {
        return die("usage: device FOLDER DEVICE REALM EPOCH FEATURE...");
    }
    const char *const *features = (const char *const *)argv + 5;
    folder.descriptor = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder.descriptor < 0) return die("the folder cannot be opened");
    if (read_file(&folder, "key.bin", identity.private_key, 32) != 32 ||
        read_file(&folder, "authority.bin", authority, 64) != 64) {
        return die("key.bin or authority.bin is missing");
    }
    identity.lens[0] = read_file(&folder, "leaf.der", identity.certificates[0], MAX_CERTIFICATE);
    identity.lens[1] = read_file(&folder, "issuer.der", identity.certificates[1], MAX_CERTIFICATE);

    fg_authority_key key = {
        .not_before = 0,
        .not_after = 253402300799,
        .epoch = (uint32_t)strtoul(argv[4], NULL, 10),
        .role = FG_ROLE_GRANTS,
    };
    memcpy(key.key.x, authority, 32);
    memcpy(key.key.y, authority + 32, 32);
    fg_config config = {
        .device = argv[2],
        .realm = argv[3],
        .sw_name = "device.c",
        .sw_version = "1.0",
        .sw_built = SW_BUILT,
        .features = features,
        .features_len = (size_t)argc - 5,
        .authority_keys = &key,
        .authority_keys_len = 1,
        .max_down = MAX_DOWN,
        .request = request,
        .request_len = sizeof request,
        .scratch = scratch,
        .scratch_len = sizeof scratch,
        .storage = {.user = &folder, .load = load, .store = store},
        .keys = {.user = &identity,
                 .private_key = identity.private_key,
                 .certificate = certificate,
                 .random = fill_random},
    };
    if (fg_agent_size() > sizeof memory) return die("the agent needs more memory");
    fg_agent *agent = NULL;
    fg_status status = fg_agent_start((uint8_t *)memory, sizeof memory, &config, uptime(), &agent);
    if (status != FG_STATUS_OK) return die(fg_status_name(status));
    fg_held held = {0};
    fg_agent_held(agent, &held);
    int line = open_line(argv[1]);
    if (line < 0) return die("the line cannot be opened");
    printf("started %s holds %llu\n", config.device, (unsigned long long)held.generation);
    say_vendor_data(agent, scratch, sizeof scratch);

    int bridge = -1;
    bool is_connected = false;
    for (;;) {
        // 1. What is to be sent, while there is a connection.
        fg_transmit transmit;
        while (is_connected && fg_agent_poll_transmit(agent, message, sizeof message, &transmit) ==
                                   FG_STATUS_OK) {
            send_frame(bridge, transmit.message, message, transmit.len);
            printf("sent %s %zu\n", fg_message_name(transmit.message), transmit.len);
        }
        // 2. What happened.
        fg_event event;
        while (fg_agent_poll_event(agent, &event) == FG_STATUS_OK) {
            say(&event, features);
            if (event.kind == FG_EVENT_KIND_INSTALLED) {
                say_vendor_data(agent, scratch, sizeof scratch);
            }
        }
        // 3. When to wake up: at a byte from the line, or when something is due.
        uint64_t at, now = uptime();
        int wait = -1;
        if (fg_agent_poll_timeout(agent, &at) == FG_STATUS_OK) {
            uint64_t left = at > now ? at - now : 0;
            wait = left > 60000 ? 60000 : (int)left;
        }
        struct pollfd ready = {.fd = bridge < 0 ? line : bridge, .events = POLLIN};
        if (poll(&ready, 1, wait) < 0 && errno != EINTR) return die("poll");
        now = uptime();
        if (fg_agent_poll_timeout(agent, &at) == FG_STATUS_OK && at <= now) {
            fg_agent_handle_timeout(agent, now);
        }
        if (ready.revents == 0) continue;
        if (bridge < 0) {
            bridge = accept(line, NULL, NULL);
            continue;
        }
        uint8_t bytes[512];
        ssize_t len = read(bridge, bytes, sizeof bytes);
        if (len <= 0) {
            close(bridge);
            bridge = -1;
            is_connected = false;
            continue;
        }
        for (ssize_t i = 0; i < len; i++) {
            if (!take_byte(&receiver, bytes[i])) continue;
            if (receiver.kind == FRAME_CONNECTED) {
                is_connected = true;
                fg_agent_resend(agent, uptime());
                continue;
            }
            fg_taken taken;
            status = fg_agent_handle_message(agent, frame_message(receiver.kind), receiver.payload,
                                             receiver.len, uptime(), &taken);
            for (uint32_t d = 0; status == FG_STATUS_OK && d < taken.denials_len; d++) {
                const fg_denial *denial = &taken.denials[d];
                printf("denied %.*s %.*s\n", (int)denial->feature.len,
                       (const char *)denial->feature.data, (int)denial->rule.len,
                       (const char *)denial->rule.data);
            }
        }
    }
}
