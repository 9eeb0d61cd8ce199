package simulate

import (
	"strconv"
	"strings"
)

// units is a unit system, as Accept-Language chooses it: en_US has miles and pounds, en_GB stones, all else is metric.
type units struct {
	mile       bool // miles, feet, inches
	fahrenheit bool
	weight     float64 // grams in a unit of weight
	decimals   int     // of a weight
}

func unitsOf(language string) units {
	first, _, _ := strings.Cut(language, ",")
	first, _, _ = strings.Cut(first, ";")
	switch strings.ReplaceAll(strings.TrimSpace(first), "-", "_") {
	case "en_US":
		return units{mile: true, fahrenheit: true, weight: 453.59237, decimals: 1}
	case "en_GB":
		return units{weight: 6350.29318, decimals: 2}
	}
	return units{weight: 1000, decimals: 2}
}

func (u units) mass(grams float64) float64 { return round(grams/u.weight, u.decimals) }

// way turns millimetres into km or miles.
func (u units) way(mm int) float64 {
	if u.mile {
		return round(float64(mm)/1_609_344, 6)
	}
	return round(float64(mm)/1e6, 6)
}

// rise turns millimetres into m or feet.
func (u units) rise(mm int) float64 {
	if u.mile {
		return round(float64(mm)/304.8, 3)
	}
	return round(float64(mm)/1000, 3)
}

// tall turns millimetres into cm or inches.
func (u units) tall(mm int) float64 {
	if u.mile {
		return round(float64(mm)/25.4, 1)
	}
	return round(float64(mm)/10, 1)
}

// warm turns °C into the unit of temperatures, warmer a difference.
func (u units) warm(c float64) float64 {
	if u.fahrenheit {
		return round(c*1.8+32, 1)
	}
	return round(c, 1)
}

func (u units) warmer(c float64) float64 {
	if u.fahrenheit {
		c *= 1.8
	}
	return round(c, 1) + 0 // no -0
}

func (u units) distanceName() string {
	if u.mile {
		return "Mile"
	}
	return "Kilometer"
}

// decimal writes a number of a daily series: with a point, unlike a count.
func decimal(x float64) string {
	s := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
