// The robot's topics, shared by its programs.
#ifndef WEIR_EXAMPLES_ROBOT_TOPICS_H_
#define WEIR_EXAMPLES_ROBOT_TOPICS_H_

inline constexpr char kImuTopic[] = "robot/imu";          // weir::msg::Imu, 200 Hz
inline constexpr char kCameraTopic[] = "robot/camera";    // weir::msg::Image, 30 Hz
inline constexpr char kLidarTopic[] = "robot/lidar";      // weir::msg::LaserScan, 10 Hz
inline constexpr char kCommandTopic[] = "robot/command";  // weir::msg::Twist, 50 Hz

#endif  // WEIR_EXAMPLES_ROBOT_TOPICS_H_
