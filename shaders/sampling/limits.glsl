// How far below the largest logit weigh.comp looks (in natural logarithms of probability). Any limits would do: they decide how long the
// list of collect.comp gets, never which token is chosen.
const uint kCountLimits = 15u;
const float kCountLimit[kCountLimits] = float[](0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.5, 16.0);
const uint kWeightLimits = 7u;
const float kWeightLimit[kWeightLimits] = float[](1.0, 2.0, 3.5, 5.5, 8.0, 11.0, 15.0);
