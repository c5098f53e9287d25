// Aligned columns.
//
//   Table table({{"TOPIC"}, {"MESSAGES", Align::kRight}});
//   table.Add({{"imu", Style::kBold}, {"1,024"}});
//   table.Print();
#ifndef WEIR_TOOLS_WEIR_TABLE_H_
#define WEIR_TOOLS_WEIR_TABLE_H_

#include <string>
#include <vector>

#include "tools/weir/output.h"

namespace weir::tool {

enum class Align { kLeft, kRight };

class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };
  struct Cell {
    std::string text;
    Style style = Style::kPlain;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as there are columns. Control characters in them are escaped.
  void Add(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }
  // To standard output, each line behind two spaces.
  void Print() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace weir::tool

#endif  // WEIR_TOOLS_WEIR_TABLE_H_
