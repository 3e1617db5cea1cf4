// Frames on a serial line, as device-agent/src/serial.rs describes them:
// 0xfa, kind (1), length (2, big-endian), payload, CRC-32 of all but the first byte (4,
// little-endian). What comes over the line is trusted no more than the broker is.
#ifndef SERIAL_H
#define SERIAL_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "fleetgrant.h"

enum { FRAME_START = 0xfa, FRAME_CONNECTED = 0, FRAME_MAX = 4096 };

// The order of kinds on the line, with the message that each is.
static const uint32_t frame_messages[] = {0, FG_MESSAGE_REQUEST, FG_MESSAGE_ACK, FG_MESSAGE_GRANT,
                                          FG_MESSAGE_NOTICE, FG_MESSAGE_KEYS};
enum { FRAME_KINDS = sizeof frame_messages / sizeof frame_messages[0] };

static inline uint32_t frame_message(uint8_t kind) {
    return kind < FRAME_KINDS ? frame_messages[kind] : 0;
}

static inline uint32_t crc32_over(uint32_t crc, const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
    }
    return crc;
}

// A frame that is cut short by a closed line is found damaged at the other end.
static inline void write_all(int line, const uint8_t *bytes, size_t len) {
    while (len > 0) {
        ssize_t written = write(line, bytes, len);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        bytes += written;
        len -= (size_t)written;
    }
}

static inline void send_frame(int line, uint32_t message, const uint8_t *payload, size_t len) {
    uint8_t kind = 1;
    while (kind < FRAME_KINDS && frame_messages[kind] != message) kind++;
    if (kind == FRAME_KINDS || len > 0xffff) return;
    uint8_t head[4] = {FRAME_START, kind, (uint8_t)(len >> 8), (uint8_t)len};
    uint32_t crc = ~crc32_over(crc32_over(0xffffffffu, head + 1, 3), payload, len);
    uint8_t tail[4] = {(uint8_t)crc, (uint8_t)(crc >> 8), (uint8_t)(crc >> 16),
                       (uint8_t)(crc >> 24)};
    write_all(line, head, sizeof head);
    write_all(line, payload, len);
    write_all(line, tail, sizeof tail);
}

// Finds frames in a stream of bytes. All zero: nothing is there yet.
struct receiver {
    size_t place; // Bytes of the frame so far.
    uint8_t head[4];
    uint8_t tail[4];
    uint8_t kind;
    size_t len;
    uint8_t payload[FRAME_MAX];
};

// Takes the next byte; says whether it completes a frame: then kind, payload and len are its.
static inline bool take_byte(struct receiver *r, uint8_t byte) {
    size_t place = r->place++;
    if (place < sizeof r->head) {
        r->head[place] = byte;
        if (r->head[0] != FRAME_START) r->place = 0;
        if (place < 3) return false;
        r->kind = r->head[1];
        r->len = (size_t)r->head[2] << 8 | r->head[3];
        if (r->len > FRAME_MAX) r->place = 0;
        return false;
    }
    if (place < sizeof r->head + r->len) {
        r->payload[place - sizeof r->head] = byte;
        return false;
    }
    size_t in_tail = place - sizeof r->head - r->len;
    r->tail[in_tail] = byte;
    if (in_tail < 3) return false;
    r->place = 0;
    uint32_t crc = ~crc32_over(crc32_over(0xffffffffu, r->head + 1, 3), r->payload, r->len);
    uint32_t sent = (uint32_t)r->tail[0] | (uint32_t)r->tail[1] << 8 | (uint32_t)r->tail[2] << 16 |
                    (uint32_t)r->tail[3] << 24;
    return crc == sent && (r->kind == FRAME_CONNECTED || frame_message(r->kind) != 0);
}

#endif
