// Filters the listed tokens exactly and draws one; see choose.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shaders/sampling/choose.h"

layout(local_size_x = 32, local_size_x_id = 0) in;
#include "shaders/sampling/order.glsl"
#include "shaders/sampling/random.glsl"
layout(binding = 0) buffer Scratch { uint scratch[]; };
layout(binding = 1) readonly buffer Positions { uint positions[]; };
layout(binding = 2) writeonly buffer Chosen { uint chosen[]; };
#include "shaders/sampling/key_of_largest.glsl"

const uint kTopK = 0u;
const uint kTopKTies = 1u;
const uint kTopP = 2u;
const uint kTopPTies = 3u;
const uint kDraw = 4u;
const uint kEntries = 16u;  // of the list per loop trip of an invocation

shared uint columns[2u * kPlaces * 128u];
shared uvec2 parts[kPlaces * 16u];
shared uvec2 sums[kPlaces];

// sums[j] = sum of the amounts of the entries whose value is at least base + j * spacing. An entry below base has none.
void add_up(uint length, uint values, uint amounts, uint base, uint spacing) {
  uint lane = gl_LocalInvocationID.x;
  uint low[kPlaces];
  uint high[kPlaces];
  [[unroll]] for (uint j = 0u; j < kPlaces; ++j) low[j] = high[j] = 0u;
  for (uint i = lane; i < length; i += kEntries * workgroup_size) {
    [[unroll]] for (uint u = 0u; u < kEntries; ++u) {
      uint entry = i + u * workgroup_size;
      uint inside = min(entry, length - 1u);
      uint value = scratch[values + inside];
      uint amount = entry < length && value >= base ? scratch[amounts + inside] : 0u;
      uint distance = value - base;
      [[unroll]] for (uint j = 0u; j < kPlaces; ++j) {
        uint counted = distance >= j * spacing ? amount : 0u;
        low[j] += counted & 0xffffu;
        high[j] += counted >> 16;
      }
    }
  }
  [[unroll]] for (uint j = 0u; j < kPlaces; ++j) {
    columns[2u * j * workgroup_size + lane] = low[j];
    columns[(2u * j + 1u) * workgroup_size + lane] = high[j];
  }
  barrier();
  // Invocation 8 * part + place adds up eight invocations' findings for one place.
  uint place = lane % kPlaces;
  uint part = lane / kPlaces;
  uvec2 sum = uvec2(0u);
  for (uint i = kPlaces * part; i < kPlaces * part + kPlaces; ++i) {
    uint column = 2u * place * workgroup_size + i;
    sum = add_wide(sum, join_halves(columns[column], columns[column + workgroup_size]));
  }
  parts[kPlaces * part + place] = sum;
  barrier();
  if (lane < kPlaces) {
    for (uint i = 1u; i < workgroup_size / kPlaces; ++i) sum = add_wide(sum, parts[kPlaces * i + lane]);
    sums[lane] = sum;
  }
  barrier();
}

void main() {
  uint lane = gl_LocalInvocationID.x;
  uint padded = (push.vocabulary + 3u) & ~3u;
  uint keys = kListWord;
  uint ranks = kListWord + padded;
  uint amounts = kListWord + 2u * padded;
  uint length = scratch[kListLengthWord];
  uint largest_key = key_of_largest();
  float largest = key_logit(largest_key);

  // Candidates are the tokens above the cutoff or at it, in the order of keys, then of ranks.
  uint cutoff_key = kLowestKey;
  uint cutoff_rank = 0u;
  // Where a filter cuts among equal keys: the key, the lowest rank that the filters before let through, and the sum to be reached.
  uint tied_key = 0u;
  uint tied_rank = 0u;
  uvec2 tied_target = uvec2(0u);

  uint stage = push.top_k > 0u ? kTopK : push.with_top_p != 0u ? kTopP : kDraw;
  for (uint round = 0u; round < 5u; ++round) {
    bool ties = stage == kTopKTies || stage == kTopPTies;
    bool by_rank = ties || stage == kDraw;
    if (stage == kDraw) {
      precise float limit = largest + push.log_min_p;
      uint limit_key = order_key(limit);
      if (limit_key > cutoff_key) {
        cutoff_key = limit_key;
        cutoff_rank = 0u;
      }
    }

    // What each entry counts for. An invocation prepares the entries that it reads itself.
    float scale = stage == kDraw ? push.draw_scale : push.plain_scale;
    for (uint i = lane; i < length; i += kEntries * workgroup_size) {
      [[unroll]] for (uint u = 0u; u < kEntries; ++u) {
        uint entry = i + u * workgroup_size;
        if (entry < length) {
          uint key = scratch[keys + entry];
          uint rank = scratch[ranks + entry];
          bool counts = ties ? key == tied_key && rank >= tied_rank : key > cutoff_key || (key == cutoff_key && rank >= cutoff_rank);
          uint amount = stage >= kTopP ? weight_of(key_logit(key), largest, scale) : 1u;
          scratch[amounts + entry] = counts ? amount : 0u;
        }
      }
    }

    // The largest value at which the amounts of everything from there up reach the target: sum(low) >= target > sum(high + 1).
    uint low = by_rank ? 0u : scratch[kListKeyWord];
    uint high = by_rank ? push.vocabulary - 1u : largest_key;
    uvec2 total = uvec2(0u);
    uvec2 target = ties ? tied_target : uvec2(push.top_k, 0u);
    uvec2 reached = uvec2(0u);  // sum(low)
    uvec2 above = uvec2(0u);    // sum(high + 1)
    bool first = true;
    while (first || low < high) {
      uint range = high - low;
      uint spacing = range / kPlaces + 1u;
      add_up(length, by_rank ? ranks : keys, amounts, low, spacing);
      if (first) {
        first = false;
        total = sums[0];  // everything listed is at low or above
        bool summed = stage == kTopP ? push.purpose == kWeighWeights : stage == kDraw && push.purpose == kWeighDraw;
        if (summed) total = uvec2(scratch[kDrawTotalWord], scratch[kDrawTotalWord + 1u]);
        if (stage == kTopP) {
          target = scale_wide(total, push.top_p, true);
          if (target == uvec2(0u)) target = uvec2(1u, 0u);
        }
        if (stage == kDraw) {
          uint random = random_word(push.seed_low, push.seed_high, positions[0]);
          target = add_wide(scale_wide(total, random, false), uvec2(1u, 0u));
          if (push.purpose == kWeighDraw) target = uvec2(scratch[kDrawTargetWord], scratch[kDrawTargetWord + 1u]);
        }
      }
      uint place = kPlaces - 1u;
      while (place > 0u && less_wide(sums[place], target)) --place;
      reached = sums[place];
      if (place + 1u < kPlaces && (place + 1u) * spacing <= range) {
        above = sums[place + 1u];
        high = low + (place + 1u) * spacing - 1u;
      }
      low += place * spacing;
      barrier();  // sums are read before the next pass writes them
    }

    if (stage == kDraw) {
      if (lane == 0u) {
        uint magnitude = 0u;
        for (uint chunk = 0u; chunk < push.chunks; ++chunk) magnitude = max(magnitude, scratch[kLargestWord + 4u * chunk + 3u]);
        scratch[kCutoffKeyWord] = cutoff_key;
        scratch[kCutoffIdWord] = push.vocabulary - 1u - cutoff_rank;
        chosen[0] = push.vocabulary - 1u - low;
        chosen[1] = floatBitsToUint(wide_to_float(subtract_wide(reached, above)) / wide_to_float(total));
        chosen[2] = floatBitsToUint(largest);
        chosen[3] = magnitude < 0x7f800000u ? 0u : 1u;
      }
      return;
    }
    // Equal logits at the cut need a second search, unless all of them are wanted or there is just one.
    tied_target = subtract_wide(target, above);
    uvec2 tied_sum = subtract_wide(reached, above);
    if (stage == kTopK) {
      cutoff_key = tied_key = low;
      stage = tied_sum == tied_target ? kTopKTies + 1u : kTopKTies;
    } else if (stage == kTopP) {
      tied_key = low;
      tied_rank = low == cutoff_key ? cutoff_rank : 0u;
      cutoff_key = low;
      cutoff_rank = tied_rank;
      stage = tied_sum == uvec2(weight_of(key_logit(low), largest, push.plain_scale), 0u) ? kDraw : kTopPTies;
    } else {
      cutoff_rank = low;
      ++stage;
    }
    if (stage == kTopP && push.with_top_p == 0u) stage = kDraw;
  }
}
