package simulate

import "math"

// Salts tell the draws apart that belong to the same day.
const (
	saltDayOff uint64 = iota + 1
	saltNightOff
	saltOffWrist
	saltCharge
	saltBed
	saltStages
	saltAgain
	saltNap
	saltVitals
	saltWorkout
	saltMinutes
	saltHeart
	saltHeartSlow
	saltSync
	saltWeight
	saltPhone
	saltTrack
	saltRest
	saltKey
	saltForm
	saltLegacy
	saltCore
	saltStop
	saltOdd
)

// mix spreads the bits of x (splitmix64's finisher).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// hash draws one number for (seed, salt, n).
func hash(seed, salt uint64, n int64) uint64 {
	return mix(mix(seed+0x9e3779b97f4a7c15*salt) + 0x9e3779b97f4a7c15*uint64(n+1))
}

// random is a small generator: one per day and purpose, so that no draw depends on another day.
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	return mix(r.state)
}

// float draws from [0, 1).
func (r *random) float() float64 { return float64(r.next()>>11) / (1 << 53) }

// between draws from [a, b).
func (r *random) between(a, b float64) float64 { return a + (b-a)*r.float() }

// intn draws from 0 … n-1.
func (r *random) intn(n int) int { return int(r.next()>>33) % n }

// chance is true with probability x.
func (r *random) chance(x float64) bool { return r.float() < x }

// bell draws around 0 with standard deviation 1, between -3.5 and 3.5.
func (r *random) bell() float64 {
	return (r.float() + r.float() + r.float() + r.float() - 2) * math.Sqrt(3)
}

// wave is a smooth curve through random values in [-1, 1] at the whole numbers of x.
func wave(seed, salt uint64, x float64) float64 {
	i := math.Floor(x)
	f := x - i
	f = f * f * (3 - 2*f)
	return knot(seed, salt, int64(i))*(1-f) + knot(seed, salt, int64(i)+1)*f
}

func knot(seed, salt uint64, n int64) float64 {
	return float64(hash(seed, salt, n)>>11)/(1<<52) - 1
}
