package simulate

import "github.com/fitbit-fetch/fitbit-fetch/internal/metric"

// kind says which filter a data type takes and which time its points carry.
type kind uint8

const (
	interval kind = iota
	sample
	daily
	session
	sleeping
	cardiogram // filter with >= on start_time only
	unfiltered
)

// dataType is one row of the table: everything the server knows of a type.
type dataType struct {
	name   string // in paths
	kind   kind
	ops    string // of L(ist), R(econcile), U (rollUp), D(ailyRollUp), G(et)
	scope  string // what must be granted, without prefix and .readonly
	days   int    // the longest range of a roll-up; 0 for 90
	page   int    // the largest page; 0 for 10000
	dense  bool   // many points a day, all of them within the day: worth keeping encoded
	manual bool   // entered by hand or sent by a scale: there without a sync of the tracker
	shape  string // members of the value in a point
	fill   func(*block, metric.Day)
	rolled string // member of the value in a roll-up; empty for the type's own
	sums   string // members of that value
	roll   func(*enc, window)
}

const (
	activity = "activity_and_fitness"
	vitals   = "health_metrics_and_measurements"
	sleep    = "sleep"
	settings = "settings"
	location = "location"

	civilShape    = "(date(year,month,day),time(hours,minutes,seconds,nanos))"
	sampleShape   = "sampleTime(physicalTime,utcOffset,civilTime" + civilShape + ")"
	intervalShape = "interval(startTime,startUtcOffset,endTime,endUtcOffset,civilStartTime" + civilShape + ",civilEndTime" + civilShape + ")"
	dateShape     = "date(year,month,day)"
	stageShape    = "(startTime,startUtcOffset,endTime,endUtcOffset,type,createTime,updateTime)"
	statsShape    = "(breathsPerMinute,standardDeviation,signalToNoise)"
	metricsShape  = "(caloriesKcal,distanceMillimeters,steps,averageHeartRateBeatsPerMinute,activeZoneMinutes,averagePaceSecondsPerMeter,averageSpeedMillimetersPerSecond,elevationGainMillimeters,runVo2Max,totalSwimLengths,heartRateZoneDurations(lightTime,moderateTime,vigorousTime,peakTime),mobilityMetrics(avgCadenceStepsPerMinute,avgStrideLengthMillimeters,avgVerticalOscillationMillimeters,avgVerticalRatio,avgGroundContactTimeDuration))"
	splitShape    = "(splitType,startTime,startUtcOffset,endTime,endUtcOffset,activeDuration,metricsSummary" + metricsShape + ")"
)

// dataTypes is the table. Types without fill exist at the service and are empty for this person.
func dataTypes() []*dataType {
	return []*dataType{
		{name: "steps", ops: "LRUD", scope: activity, dense: true, shape: intervalShape + ",count", fill: fillSteps, sums: "countSum", roll: rollSteps},
		{name: "distance", ops: "LRUD", scope: activity, dense: true, shape: intervalShape + ",millimeters", fill: fillDistance, sums: "millimetersSum", roll: rollDistance},
		{name: "floors", ops: "RUD", scope: activity, dense: true, shape: intervalShape + ",count", fill: fillFloors, sums: "countSum", roll: rollFloors},
		{name: "altitude", ops: "LRUD", scope: activity, dense: true, shape: intervalShape + ",gainMillimeters", fill: fillAltitude, sums: "gainMillimetersSum", roll: rollAltitude},
		{name: "active-energy-burned", ops: "LRUD", scope: activity, dense: true, shape: intervalShape + ",kcal", fill: fillActiveEnergy, sums: "kcalSum", roll: rollActiveEnergy},
		{name: "basal-energy-burned", ops: "LR", scope: activity, shape: intervalShape + ",kcal"},
		{name: "total-calories", ops: "UD", scope: activity, days: 14, sums: "kcalSum", roll: rollTotalCalories},
		{name: "active-minutes", ops: "LRUD", scope: activity, days: 14, dense: true, shape: intervalShape + ",activeMinutesByActivityLevel(activityLevel,activeMinutes)", fill: fillActiveMinutes,
			sums: "activeMinutesRollupByActivityLevel(activityLevel,activeMinutesSum)", roll: rollActiveMinutes},
		{name: "activity-level", ops: "LRUD", scope: activity, dense: true, shape: intervalShape + ",activityLevelType", fill: fillActivityLevel,
			sums: "activityLevelRollupsByActivityLevelType(activityLevelType,totalDuration)", roll: rollActivityLevel},
		{name: "sedentary-period", ops: "LRUD", scope: activity, dense: true, shape: intervalShape, fill: fillSedentary, sums: "durationSum", roll: rollSedentary},
		{name: "active-zone-minutes", ops: "LRUD", scope: activity, dense: true, shape: intervalShape + ",heartRateZone,activeZoneMinutes", fill: fillZoneMinutes,
			sums: "sumInFatBurnHeartZone,sumInCardioHeartZone,sumInPeakHeartZone", roll: rollZoneMinutes},
		{name: "time-in-heart-rate-zone", ops: "LRUD", scope: activity, dense: true, shape: intervalShape + ",heartRateZoneType", fill: fillTimeInZone,
			sums: "timeInHeartRateZones(heartRateZone,duration)", roll: rollTimeInZone},
		{name: "calories-in-heart-rate-zone", ops: "UD", scope: activity, days: 14, sums: "caloriesInHeartRateZones(heartRateZone,kcal)", roll: rollZoneCalories},
		{name: "swim-lengths-data", ops: "LRUD", scope: activity, shape: intervalShape + ",strokeCount,swimStrokeType", sums: "strokeCountSum", roll: rollNothing},
		{name: "exercise", kind: session, ops: "LRG", scope: activity, page: 25, fill: fillExercise,
			shape: intervalShape + ",exerciseType,displayName,activeDuration,notes,exerciseMetadata(hasGps,poolLengthMillimeters),metricsSummary" + metricsShape +
				",splits" + splitShape + ",splitSummaries" + splitShape + ",exerciseEvents(eventTime,eventUtcOffset,exerciseEventType),createTime,updateTime"},
		{name: "vo2-max", kind: sample, ops: "LR", scope: activity, shape: sampleShape + ",vo2Max,measurementMethod"},
		{name: "run-vo2-max", kind: sample, ops: "LRUD", scope: activity, shape: sampleShape + ",runVo2Max", sums: "rateAvg,rateMin,rateMax", roll: rollNothing},
		{name: "daily-vo2-max", kind: daily, ops: "LR", scope: activity, shape: dateShape + ",vo2Max,vo2MaxCovariance,estimated,cardioFitnessLevel", fill: fillVO2Max},

		{name: "heart-rate", kind: sample, ops: "LRUD", scope: vitals, days: 14, dense: true, shape: sampleShape + ",beatsPerMinute,metadata(motionContext,sensorLocation)", fill: fillHeartRate,
			sums: "beatsPerMinuteAvg,beatsPerMinuteMin,beatsPerMinuteMax", roll: rollHeartRate},
		{name: "heart-rate-variability", kind: sample, ops: "LR", scope: vitals, dense: true, fill: fillHRV,
			shape: sampleShape + ",rootMeanSquareOfSuccessiveDifferencesMilliseconds,standardDeviationMilliseconds,metadata(highFrequencyPower,lowFrequencyPower)"},
		{name: "daily-heart-rate-variability", kind: daily, ops: "LRD", scope: vitals, fill: fillDailyHRV,
			shape:  dateShape + ",averageHeartRateVariabilityMilliseconds,deepSleepRootMeanSquareOfSuccessiveDifferencesMilliseconds,entropy,nonRemHeartRateBeatsPerMinute",
			rolled: "heartRateVariabilityPersonalRange", sums: "averageHeartRateVariabilityMillisecondsMin,averageHeartRateVariabilityMillisecondsMax", roll: rollHRVRange},
		{name: "daily-heart-rate-zones", kind: daily, ops: "LR", scope: vitals, shape: dateShape + ",heartRateZones(heartRateZoneType,minBeatsPerMinute,maxBeatsPerMinute)", fill: fillZoneLimits},
		{name: "daily-resting-heart-rate", kind: daily, ops: "LRD", scope: vitals, shape: dateShape + ",beatsPerMinute,dailyRestingHeartRateMetadata(calculationMethod)", fill: fillRestingHR,
			rolled: "restingHeartRatePersonalRange", sums: "beatsPerMinuteMin,beatsPerMinuteMax", roll: rollRestingRange},
		{name: "oxygen-saturation", kind: sample, ops: "LR", scope: vitals, dense: true, shape: sampleShape + ",percentage", fill: fillSpO2},
		{name: "daily-oxygen-saturation", kind: daily, ops: "LR", scope: vitals, fill: fillDailySpO2,
			shape: dateShape + ",averagePercentage,lowerBoundPercentage,upperBoundPercentage,standardDeviationPercentage"},
		{name: "daily-respiratory-rate", kind: daily, ops: "LR", scope: vitals, shape: dateShape + ",breathsPerMinute", fill: fillBreathing},
		{name: "respiratory-rate-sleep-summary", kind: sample, ops: "LR", scope: vitals, fill: fillBreathingStages,
			shape: sampleShape + ",fullSleepStats" + statsShape + ",deepSleepStats" + statsShape + ",lightSleepStats" + statsShape + ",remSleepStats" + statsShape},
		{name: "daily-sleep-temperature-derivations", kind: daily, ops: "LR", scope: vitals, fill: fillSkin,
			shape: dateShape + ",nightlyTemperatureCelsius,baselineTemperatureCelsius,relativeNightlyStddev30dCelsius"},
		{name: "core-body-temperature", kind: sample, ops: "LRUD", scope: vitals, manual: true, shape: sampleShape + ",temperatureCelsius,measurementLocation,id", fill: fillCoreTemperature,
			sums: "temperatureCelsiusAvg,temperatureCelsiusMin,temperatureCelsiusMax", roll: rollCoreTemperature},
		{name: "weight", kind: sample, ops: "LRUDG", scope: vitals, manual: true, shape: sampleShape + ",weightGrams,notes", fill: fillWeight, sums: "weightGramsAvg", roll: rollWeight},
		{name: "body-fat", kind: sample, ops: "LRUDG", scope: vitals, manual: true, shape: sampleShape + ",percentage", fill: fillBodyFat, sums: "bodyFatPercentageAvg", roll: rollBodyFat},
		{name: "height", kind: sample, ops: "LRG", scope: vitals, manual: true, shape: sampleShape + ",heightMillimeters", fill: fillHeight},
		{name: "blood-glucose", kind: sample, ops: "LRUD", scope: vitals, shape: sampleShape + ",bloodGlucoseMilligramsPerDeciliter,mealType,measurementSource,measurementTiming,specimen,notes",
			sums: "bloodGlucoseMilligramsPerDeciliterAvg", roll: rollNothing},
		{name: "sleep", kind: sleeping, ops: "LRG", scope: sleep, page: 25, fill: fillSleep,
			shape: intervalShape + ",type,metadata(stagesStatus,processed,mainSleep,nap,manuallyEdited,externalId)," +
				"summary(minutesInSleepPeriod,minutesAfterWakeUp,minutesToFallAsleep,minutesAsleep,minutesAwake,stagesSummary(type,minutes,count)),stages" + stageShape +
				",shortAwakenings" + stageShape + ",outOfBedSegments(startTime,startUtcOffset,endTime,endUtcOffset),createTime,updateTime"},
		{name: "electrocardiogram", kind: cardiogram, ops: "L", scope: "ecg"},
		{name: "irregular-rhythm-notification", kind: session, ops: "L", scope: "irn"},
		{name: "hydration-log", kind: session, ops: "LRUD", scope: "nutrition", roll: rollNothing},
		{name: "nutrition-log", kind: session, ops: "LRUD", scope: "nutrition", roll: rollNothing},
		{name: "food", kind: unfiltered, ops: "L", scope: "nutrition"},
		{name: "food-measurement-unit", kind: unfiltered, ops: "L", scope: "nutrition"},
	}
}

// camel turns heart-rate into heartRate: the member's name.
func (t *dataType) camel() string {
	b := make([]byte, 0, len(t.name))
	up := false
	for i := range len(t.name) {
		switch c := t.name[i]; {
		case c == '-':
			up = true
		case up && c >= 'a':
			b, up = append(b, c-'a'+'A'), false
		default:
			b, up = append(b, c), false
		}
	}
	return string(b)
}

// snake turns heart-rate into heart_rate: the name in filters.
func (t *dataType) snake() string {
	b := []byte(t.name)
	for i := range b {
		if b[i] == '-' {
			b[i] = '_'
		}
	}
	return string(b)
}

// shapes returns the masks that name every member of the answers: list, reconcile and the roll-ups.
func shapes(all []*dataType) map[string]*mask {
	values, sums := "", ""
	for _, t := range all {
		value := t.shape
		if value == "" {
			value = "*" // nothing of it is ever written
		}
		values += "," + t.camel() + "(" + value + ")"
		if t.roll == nil {
			continue
		}
		name, sum := t.rolled, t.sums
		if name == "" {
			name = t.camel()
		}
		if sum == "" {
			sum = "*"
		}
		sums += "," + name + "(" + sum + ")"
	}
	const dataSource = "dataSource(recordingMethod,platform,device(displayName,formFactor,manufacturer),application(packageName,webClientId,googleWebClientId))"
	out := map[string]*mask{}
	for name, text := range map[string]string{
		"list":        "dataPoints(name," + dataSource + values + "),nextPageToken",
		"get":         "name," + dataSource + values,
		"reconcile":   "dataPoints(dataPointName" + values + "),nextPageToken", // of more types than the service's: harmless
		"rollUp":      "rollupDataPoints(startTime,endTime" + sums + "),nextPageToken",
		"dailyRollUp": "rollupDataPoints(civilStartTime" + civilShape + ",civilEndTime" + civilShape + sums + "),nextPageToken",
		"devices":     "pairedDevices(" + deviceShape + "),nextPageToken",
		"device":      deviceShape,
		"settings":    "name,timeZone,utcOffset,languageLocale,distanceUnit,weightUnit,heightUnit,temperatureUnit,waterUnit,swimUnit,glucoseUnit,strideLengthWalkingType,strideLengthRunningType,autoStrideEnabled,foodLanguageCode",
		"profile":     "name,age,membershipStartDate(year,month,day),autoWalkingStrideLengthMm,autoRunningStrideLengthMm,userConfiguredWalkingStrideLengthMm,userConfiguredRunningStrideLengthMm",
		"identity":    "name,healthUserId,legacyUserId",
		"irnProfile":  "name,onboardingStatus,enrollmentStatus,updateTime",
		"tcx":         "tcxData",
	} {
		m, err := parseMask(text)
		if err != nil {
			panic("simulate: the shape of " + name + ": " + err.Error())
		}
		out[name] = m
	}
	return out
}

const deviceShape = "name,deviceType,batteryStatus,batteryLevel,lastSyncTime,deviceVersion,macAddress,features"
